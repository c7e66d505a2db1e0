# Reference numbers for Cox models beyond those of the shared file.
#
# Run from the repository root:  Rscript tests/parity/reference/survival_cox.R
# It makes synthetic data and writes tests/parity/reference/survival_cox.json, data
# included. Needs survival and jsonlite.

suppressPackageStartupMessages({
  library(jsonlite)
  library(survival)
})

set.seed(20240611)
folder <- file.path("tests", "parity", "reference")
tight <- coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 60)

# One row per subject, times of few digits, four levels of a factor.
veteran_like <- function(n = 140) {
  d <- data.frame(
    arm = rep(c("standard", "test"), length.out = n),
    cell = sample(c("adeno", "large", "small", "squamous"), n, replace = TRUE),
    karno = sample(seq(20, 90, 10), n, replace = TRUE),
    age = round(rnorm(n, 58, 10)),
    site = sample(sprintf("S%02d", 1:17), n, replace = TRUE)
  )
  rate <- exp(-4 - 0.03 * (d$karno - 60) + 0.7 * (d$cell == "small"))
  died <- rexp(n, rate)
  left <- runif(n, 30, 500)
  d$time <- ceiling(pmin(died, left))
  d$event <- as.integer(died <= left)
  d$weight <- round(runif(n, 0.3, 3), 2)
  d$count <- as.numeric(sample(1:3, n, replace = TRUE))
  d$start <- pmin(floor(runif(n, 0, 60)) * rbinom(n, 1, 0.6), d$time - 1)
  d
}

# Histories in one to four intervals, with gaps, weights that change and a covariate
# that does, several events being possible.
histories <- function(n = 90) {
  rows <- lapply(seq_len(n), function(i) {
    k <- sample(1:4, 1)
    cuts <- sort(sample(1:60, k + 1))
    gap <- rbinom(k, 1, 0.3)
    start <- pmin(head(cuts, -1) + gap, tail(cuts, -1) - 1)
    if (i %% 3) start[1] <- 0
    x <- round(rnorm(1), 2)
    z <- round(x + rnorm(k), 2)
    data.frame(id = i, start = start, stop = tail(cuts, -1), x = x, z = z,
               arm = c("A", "B", "C")[1 + i %% 3],
               event = rbinom(k, 1, plogis(-1 + 0.5 * z)),
               weight = round(runif(k, 0.5, 2.5), 2))
  })
  do.call(rbind, rows)
}

veteran <- veteran_like()
ties <- veteran_like(160)
ties$time <- pmin(ceiling(ties$time / 40), 7)
ties$start <- pmin(ties$start %% 3, ties$time - 1)
walks <- histories()

zph <- function(fit, transform) {
  table <- cox.zph(fit, transform = transform)$table
  list(term = rownames(table), chisq = unname(table[, 1]), df = unname(table[, 2]),
       p = unname(table[, 3]))
}

base <- function(fit, centered) {
  found <- basehaz(fit, centered = centered)
  out <- list(time = found$time, hazard = found$hazard)
  if (!is.null(found$strata)) out$stratum <- as.character(found$strata)
  out
}

case <- function(id, data, call, options) {
  environment <- list2env(list(data = data, tight = tight))
  fit <- eval(parse(text = call), environment)
  scaled <- as.matrix(residuals(fit, "scaledsch"))
  plain <- as.matrix(residuals(fit, "schoenfeld"))
  transforms <- c("km", "rank", "identity", "log")
  robust <- !is.null(fit$naive.var)
  found <- list(
    n = fit$n, events = fit$nevent, names = names(coef(fit)),
    estimate = unname(coef(fit)), vcov = unname(vcov(fit)),
    naive_vcov = unname(if (robust) fit$naive.var else fit$var),
    loglik_null = fit$loglik[1], loglik = fit$loglik[2], wald = as.numeric(fit$wald.test),
    score = fit$score, robust_score = if (robust) as.numeric(fit$rscore) else NULL,
    concordance = unname(fit$concordance["concordance"]),
    zph = lapply(setNames(transforms, transforms), function(g) zph(fit, g)),
    baseline = base(fit, TRUE), baseline_at_zero = base(fit, FALSE),
    schoenfeld = unname(plain), scaled_schoenfeld = unname(scaled),
    residual_times = as.numeric(rownames(plain))
  )
  if (ncol(plain) == 1) found$residual_times <- as.numeric(names(residuals(fit, "schoenfeld")))
  list(id = id, data = data, call = call, options = options,
       software = list(R = as.character(getRversion()),
                       survival = as.character(packageVersion("survival"))),
       results = found)
}

one <- list(time = "time", event = "event")
many <- list(time = "stop", event = "event", entry = "start")
cases <- list(
  case("veteran-efron", veteran,
       "coxph(Surv(time, event) ~ arm + cell + karno + age, data, control = tight)",
       c(one, list(formula = "arm + cell + karno + age"))),
  case("veteran-interaction-strata", veteran,
       "coxph(Surv(time, event) ~ arm * karno + strata(cell), data, control = tight)",
       c(one, list(formula = "arm * karno", strata = "cell"))),
  case("ties-strata-cluster", ties,
       "coxph(Surv(time, event) ~ arm + karno + strata(cell), data, cluster = site, control = tight)",
       c(one, list(formula = "arm + karno", strata = "cell", cluster = "site"))),
  case("ties-two-strata-breslow", ties,
       "coxph(Surv(time, event) ~ karno + age + strata(cell, arm), data, ties = 'breslow', control = tight)",
       c(one, list(formula = "karno + age", strata = c("cell", "arm"), ties = "breslow"))),
  case("ties-weighted-efron", ties,
       "coxph(Surv(time, event) ~ cell + karno, data, weights = weight, robust = TRUE, control = tight)",
       c(one, list(formula = "cell + karno", weights = "weight"))),
  case("ties-weighted-breslow", ties,
       "coxph(Surv(time, event) ~ arm + age, data, weights = weight, ties = 'breslow', cluster = site, control = tight)",
       c(one, list(formula = "arm + age", weights = "weight", ties = "breslow", cluster = "site"))),
  case("ties-counts", ties,
       "coxph(Surv(time, event) ~ arm + karno, data, weights = count, control = tight)",
       c(one, list(formula = "arm + karno", weights = "count"))),
  case("delayed-entry", veteran,
       "coxph(Surv(start, time, event) ~ arm + karno, data, control = tight)",
       c(one, list(formula = "arm + karno", entry = "start"))),
  case("delayed-entry-ties-strata", ties,
       "coxph(Surv(start, time, event) ~ arm + karno + strata(cell), data, weights = weight, cluster = site, control = tight)",
       c(one, list(formula = "arm + karno", entry = "start", strata = "cell",
                   weights = "weight", cluster = "site"))),
  case("histories-weighted-cluster", walks,
       "coxph(Surv(start, stop, event) ~ arm + x + z, data, weights = weight, cluster = id, control = tight)",
       c(many, list(formula = "arm + x + z", weights = "weight", cluster = "id"))),
  case("histories-breslow", walks,
       "coxph(Surv(start, stop, event) ~ z, data, weights = weight, cluster = id, ties = 'breslow', control = tight)",
       c(many, list(formula = "z", weights = "weight", cluster = "id", ties = "breslow")))
)
# The data are in the file once each.
sets <- list(veteran = veteran, ties = ties, walks = walks)
for (i in seq_along(cases)) {
  same <- vapply(sets, identical, logical(1), cases[[i]]$data)
  cases[[i]]$data <- names(sets)[same]
}
columns <- lapply(sets, as.list)
text <- toJSON(list(data = columns, cases = cases), digits = 16, auto_unbox = TRUE,
               null = "null", matrix = "rowmajor")
writeLines(text, file.path(folder, "survival_cox.json"))
