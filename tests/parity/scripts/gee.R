# Reference answers of generalised estimating equations: geepack (divisors are counts)
# and gee (divisors are counts less the number of coefficients, as in SAS GENMOD).
# Run from the repository root:  Rscript tests/parity/scripts/gee.R
# It writes gee_trial.csv (synthetic, seeded) and gee_more.json into
# tests/parity/reference. Needs geepack, gee, jsonlite.
#
# corstr = "unstructured" of geepack ends the R process where visits are missing, so its
# correlations are given as a design of their own (genZcor), which says the same.

suppressPackageStartupMessages({
  library(geepack)
  library(gee)
  library(jsonlite)
})

folder <- file.path("tests", "parity", "reference")

set.seed(20250611, kind = "Mersenne-Twister", normal.kind = "Inversion",
         sample.kind = "Rejection")
n <- 90; K <- 5
trial <- expand.grid(visit = 1:K, id = 1:n)
arm <- rep(c("control", "active"), length.out = n)
base <- round(rnorm(n), 2); u <- rnorm(n)
trial$arm <- arm[trial$id]; trial$base <- base[trial$id]; trial$time <- trial$visit - 1
eta <- -0.8 + 0.5 * trial$base + 0.15 * trial$time +
  0.2 * trial$time * (trial$arm == "active") + 1.1 * u[trial$id]
trial$yes <- rbinom(n * K, 1, plogis(eta))
trial$count <- rpois(n * K, exp(0.4 + 0.3 * trial$base + 0.1 * trial$time + 0.5 * u[trial$id]))
trial$score <- round(20 + 2 * eta + rnorm(n * K, sd = 1 + 0.3 * trial$time), 2)
seen <- runif(n * K) > 0.05 + 0.05 * trial$time
seen[trial$visit == 1] <- TRUE
seen[trial$id <= 40] <- TRUE            # these have all visits
trial <- trial[seen, c("id", "arm", "visit", "time", "base", "yes", "count", "score")]
write.csv(trial, file.path(folder, "gee_trial.csv"), row.names = FALSE, quote = FALSE)
trial$arm <- factor(trial$arm, levels = c("control", "active"))

named <- function(m) unname(as.matrix(m))
by_geepack <- function(name, formula, family, corstr) {
  text <- paste(deparse(formula, width.cutoff = 200), collapse = "")
  call <- sprintf("geeglm(%s, id = id, waves = visit, corstr = '%s', family = %s('%s'))",
                  text, corstr, family$family, family$link)
  control <- geese.control(epsilon = 1e-13, maxit = 1000)
  if (corstr == "unstructured") {
    call <- sub("waves = visit, corstr = 'unstructured'",
                "corstr = 'userdefined', zcor = genZcor(waves = visit, corstrv = 4)", call)
    pairs <- genZcor(clusz = as.integer(table(trial$id)), waves = trial$visit, corstrv = 4)
    fit <- do.call(geeglm, list(formula = formula, family = family, data = trial,
      id = quote(id), corstr = "userdefined", zcor = pairs, control = control))
  } else {
    fit <- do.call(geeglm, list(formula = formula, family = family, data = trial,
      id = quote(id), waves = quote(visit), corstr = corstr, control = control))
  }
  g <- fit$geese
  list(id = name, engine = "geepack", call = call, rows = "all",
    spec = list(formula = text, family = family$family, link = family$link,
                structure = corstr, moments = "n"),
    beta = unname(g$beta), robust = named(g$vbeta), model = named(g$vbeta.naiv),
    scale = unname(g$gamma), alpha = I(as.numeric(g$alpha)))
}
by_gee <- function(name, formula, family, corstr, ours) {
  text <- paste(deparse(formula, width.cutoff = 200), collapse = "")
  call <- sprintf("gee(%s, id = id, corstr = '%s', Mv = 1, family = %s('%s'))",
                  text, corstr, family$family, family$link)
  full <- trial[trial$id %in% which(table(trial$id) == K), ]
  capture.output(fit <- suppressMessages(gee(formula, family = family, data = full,
    id = id, corstr = corstr, Mv = 1, tol = 1e-13, maxiter = 1000)))
  R <- fit$working.correlation
  alpha <- switch(ours, independence = numeric(0), unstructured = t(R)[lower.tri(R)],
                  R[1, 2])
  list(id = name, engine = "gee", call = call, rows = "complete subjects",
    spec = list(formula = text, family = family$family, link = family$link,
                structure = ours, moments = "n-p"),
    beta = unname(fit$coefficients), robust = named(fit$robust.variance),
    model = named(fit$naive.variance), scale = fit$scale, alpha = I(alpha))
}
cases <- list(
  by_geepack("binomial-unstructured", yes ~ base + arm * time, binomial(), "unstructured"),
  by_geepack("binomial-ar1", yes ~ base + arm * time, binomial(), "ar1"),
  by_geepack("probit-exchangeable", yes ~ base + arm * time, binomial("probit"), "exchangeable"),
  by_geepack("probit-unstructured", yes ~ base + arm * time, binomial("probit"), "unstructured"),
  by_geepack("gaussian-unstructured", score ~ base + arm * time, gaussian(), "unstructured"),
  by_geepack("gaussian-ar1", score ~ base + arm * time, gaussian(), "ar1"),
  by_geepack("poisson-exchangeable", count ~ base + arm * time, poisson(), "exchangeable"),
  by_geepack("poisson-unstructured", count ~ base + arm * time, poisson(), "unstructured"),
  by_geepack("risk-ratio-exchangeable", yes ~ arm, poisson(), "exchangeable"),
  by_gee("gee-binomial-exchangeable", yes ~ base + arm * time, binomial(), "exchangeable", "exchangeable"),
  by_gee("gee-binomial-ar1", yes ~ base + arm * time, binomial(), "AR-M", "ar1"),
  by_gee("gee-binomial-unstructured", yes ~ base + arm * time, binomial(), "unstructured", "unstructured"),
  by_gee("gee-gaussian-ar1", score ~ base + arm * time, gaussian(), "AR-M", "ar1"),
  by_gee("gee-poisson-exchangeable", count ~ base + arm * time, poisson(), "exchangeable", "exchangeable")
)
software <- list(R = paste(R.version$major, R.version$minor, sep = "."),
  geepack = as.character(packageVersion("geepack")), gee = as.character(packageVersion("gee")))
write_json(list(software = software, data = "gee_trial.csv", cases = cases),
  file.path(folder, "gee_more.json"), digits = I(15), auto_unbox = TRUE, pretty = 1)
