# Reference answers for generalised linear mixed models.
#
# Run from the repository root:  Rscript tests/parity/scripts/mixed_glmm.R
# It reads tests/parity/reference/mixed_trial.csv, made by mixed_data.py, and, where the
# shared data sets are beside the repository, toenail.csv and schizophrenia.csv there;
# it writes tests/parity/reference/mixed_glmm.json.
#
# lme4 and glmmTMB are polished by Newton steps to the exact optimum of their own
# objective, clmm of ordinal likewise: where it stops by itself, its gradient is 1e-4 and
# in one case 0.2.
source("tests/parity/scripts/mixed_functions.R")
suppressWarnings(suppressPackageStartupMessages({
  library(glmmTMB); library(ordinal)
}))
trial <- read_trial()
tail_p <- function(b, se) vec(2 * pnorm(-abs(b / se)))
fixed_block <- function(b, V) {
  se <- sqrt(diag(V))
  list(names = vec(names(b)), estimate = vec(b), se = vec(se), z = vec(b / se), p = tail_p(b, se))
}

by_lme4 <- function(formula, data, family, nAGQ) {
  DATA <<- data; FAMILY <<- family
  ctl <- glmerControl(tolPwrss = 1e-13, check.conv.singular = "ignore")
  gf <- glFormula(formula, data = DATA, family = FAMILY, control = ctl)
  dev <- do.call(mkGlmerDevfun, c(gf, list(control = ctl)))
  optimizeGlmer(dev)
  dev <- updateGlmerDevfun(dev, gf$reTrms, nAGQ = nAGQ)
  opt <- optimizeGlmer(dev, stage = 2, optimizer = "bobyqa", control = list(rhoend = 1e-8, maxfun = 200000))
  at <- polish(dev, opt$par, environment(dev)$lower, tol = 1e-6)
  V <- 2 * solve(hessian(dev, at$par))
  opt$par <- at$par; opt$fval <- dev(at$par)
  m <- mkMerMod(environment(dev), opt, gf$reTrms, fr = gf$fr)
  nt <- length(getME(m, "theta")); b <- fixef(m)
  V <- V[nt + seq_along(b), nt + seq_along(b), drop = FALSE]
  c(list(nAGQ = nAGQ, max_abs_gradient = at$gradient, loglik = as.numeric(logLik(m)), objective = opt$fval,
         fixed = fixed_block(b, V), vcov = mat(V)$values, components = components(m), modes = modes(m)))
}

# TMB's own objective and gradient, inner Newton iterations to 1e-10.
by_tmb <- function(formula, data, family) {
  m <- suppressWarnings(glmmTMB(formula, data = data, family = family,
    control = glmmTMBControl(optCtrl = list(rel.tol = 1e-13, x.tol = 1e-11, iter.max = 2000, eval.max = 3000))))
  obj <- m$obj; obj$env$inner.control$tol10 <- 0; obj$env$tracepar <- FALSE
  p <- m$fit$par
  for (k in 1:8) {
    g <- as.numeric(obj$gr(p)); if (max(abs(g)) < 1e-9) break
    p <- p - solve(jacobian(function(q) as.numeric(obj$gr(q)), p), g)
  }
  H <- jacobian(function(q) as.numeric(obj$gr(q)), p); H <- (H + t(H)) / 2
  V <- solve(H); at <- which(names(p) == "beta"); b <- setNames(p[at], names(fixef(m)$cond))
  theta <- p[names(p) == "theta"]
  f <- obj$fn(p)
  modes <- obj$env$last.par[obj$env$random]
  list(max_abs_gradient = max(abs(obj$gr(p))), loglik = -as.numeric(f), fixed = fixed_block(b, V[at, at, drop = FALSE]),
    vcov = mat(V[at, at, drop = FALSE])$values, sd = vec(exp(theta)), groups = vec(names(VarCorr(m)$cond)),
    log_sd_se = vec(sqrt(diag(V))[names(p) == "theta"]),
    dispersion = if (any(names(p) == "betad")) exp(p[["betad"]]) else NULL,
    log_dispersion_se = if (any(names(p) == "betad")) sqrt(diag(V))[names(p) == "betad"] else NULL)
}

# clmm's own objective (Laplace, or adaptive quadrature for one scalar effect) with tight
# inner iterations, polished. Its last parameter is the SD, or its logarithm.
by_clmm <- function(formula, data, nAGQ) {
  DATA <<- data
  control <- clmm.control(gradTol = 1e-10, maxIter = 200, maxLineIter = 100, innerCtrl = "noWarn")
  rho <- clmm(formula, data = DATA, nAGQ = nAGQ, doFit = FALSE, control = control)
  m <- suppressWarnings(clmm(formula, data = DATA, nAGQ = 1))
  scalar <- length(m$dims$nlev.re) == 1 && all(unlist(lapply(m$ST, length)) == 1)
  objective <- if (!scalar) ordinal:::getNLA else if (nAGQ > 1) ordinal:::getNAGQ.ssr else ordinal:::getNLA.ssr
  f <- function(p) objective(rho, p)
  at <- polish(f, m$optRes$par, rep(-Inf, length(m$optRes$par)), steps = if (scalar) 10 else 2)
  V <- solve(hessian(function(q) f(q - 1), at$par + 1))
  n <- length(m$alpha); k <- n + seq_along(m$beta); b <- setNames(at$par[k], names(m$beta))
  value <- f(at$par)
  out <- list(nAGQ = nAGQ, max_abs_gradient = at$gradient, loglik = -value, fixed = fixed_block(b, V[k, k, drop = FALSE]),
    thresholds = list(names = vec(names(m$alpha)), estimate = vec(at$par[seq_len(n)]), se = vec(sqrt(diag(V))[seq_len(n)])))
  if (scalar) {
    ordinal:::nllBase.uC(rho); ordinal:::update.uC(rho)
    out$sd <- list(as.numeric(rho$tau))
    out$modes <- list(list(grouping = tail(all.vars(formula), 1), term = "(Intercept)", level = vec(head(rownames(ranef(m)[[1]]), 12)),
      estimate = vec(head(rho$u * rho$tau, 12)), conditional_sd = vec(sqrt(head(rho$tau^2 / rho$D, 12)))))
  } else if (all(unlist(lapply(m$ST, length)) == 1)) {
    out$sd <- vec(at$par[-seq_len(max(k))]); out$groups <- vec(names(m$ST))
  } else {
    out$covariance <- lapply(rho$ST, function(S) mat(unname(S %*% t(S)))$values)
  }
  out
}

glmm_case <- function(id, title, formula, spec, data = trial, family = binomial(), points = 1, tmb = FALSE,
                      tmb_family = family, clmm_points = NULL, file = "mixed_trial.csv") {
  cat("  ", id, "\n")
  out <- list()
  if (length(points)) out$lme4 <- lapply(points, function(q) by_lme4(formula, data, family, q))
  if (tmb) out$glmmTMB <- by_tmb(formula, data, tmb_family)
  if (length(clmm_points)) out$clmm <- lapply(clmm_points, function(q) by_clmm(formula, data, q))
  engine <- c(if (length(points)) "lme4", if (tmb) c("glmmTMB", "TMB"), if (length(clmm_points)) "ordinal")
  list(id = id, title = title, data = file, software = do.call(versions, as.list(engine)),
    call = sprintf("%s, %s", one_line(formula), family$family), spec = spec, results = out)
}

ri <- list(subject = "1")
cases <- list(
  glmm_case("logit", "0/1, random intercept", response ~ arm * week + (1 | subject),
    list(formula = "response ~ arm * week", random = ri, family = "binomial"), points = c(1, 9, 25), tmb = TRUE),
  glmm_case("probit", "0/1, probit, random intercept", response ~ arm * week + (1 | subject),
    list(formula = "response ~ arm * week", random = ri, family = "binomial", link = "probit"),
    family = binomial("probit"), points = c(1, 9, 25), tmb = TRUE),
  glmm_case("logit-crossed", "0/1, subjects, sites and therapists", response ~ arm * week + (1 | subject) + (1 | site) + (1 | lead),
    list(formula = "response ~ arm * week", random = list(subject = "1", site = "1", lead = "1"), family = "binomial"), tmb = TRUE),
  glmm_case("trials-crossed", "successes of trials, subjects, sites and therapists",
    cbind(endorsed, items - endorsed) ~ arm * week + (1 | subject) + (1 | site) + (1 | lead),
    list(formula = "endorsed ~ arm * week", random = list(subject = "1", site = "1", lead = "1"), family = "binomial", trials = "items"), tmb = TRUE),
  glmm_case("trials", "successes of trials, random intercept", cbind(endorsed, items - endorsed) ~ arm * week + (1 | subject),
    list(formula = "endorsed ~ arm * week", random = ri, family = "binomial", trials = "items"), points = c(1, 25), tmb = TRUE),
  glmm_case("logit-slopes-independent", "0/1, independent intercept and slope (||)",
    response ~ arm * week + (1 | subject) + (0 + week | subject),
    list(formula = "response ~ arm * week", random = list(subject = "1 || week"), family = "binomial"), tmb = TRUE),
  glmm_case("poisson", "counts, random intercept", events ~ arm * week + (1 | subject),
    list(formula = "events ~ arm * week", random = ri, family = "poisson"), family = poisson(), points = c(1, 9, 25), tmb = TRUE),
  glmm_case("poisson-offset", "counts in a number of days, random intercept", events ~ arm * week + offset(log(days)) + (1 | subject),
    list(formula = "events ~ arm * week", random = ri, family = "poisson", offset = "log(days)"), family = poisson(), points = c(1, 9, 25), tmb = TRUE),
  glmm_case("negative-binomial", "overdispersed counts, random intercept", bursts ~ arm * week + (1 | subject),
    list(formula = "bursts ~ arm * week", random = ri, family = "negative-binomial"), family = poisson(), points = NULL, tmb = TRUE, tmb_family = nbinom2()),
  glmm_case("negative-binomial-offset", "overdispersed counts in a number of days", bursts ~ arm * week + offset(log(days)) + (1 | subject),
    list(formula = "bursts ~ arm * week", random = ri, family = "negative-binomial", offset = "log(days)"), family = poisson(), points = NULL, tmb = TRUE, tmb_family = nbinom2()),
  glmm_case("cumulative", "four ordered classes, random intercept", factor(severity) ~ arm * week + (1 | subject),
    list(formula = "severity ~ arm * week", random = ri, family = "cumulative"), points = NULL, clmm_points = c(10, 25)),
  glmm_case("cumulative-crossed", "four ordered classes, subjects and sites, Laplace", factor(severity) ~ arm * week + (1 | subject) + (1 | site),
    list(formula = "severity ~ arm * week", random = list(subject = "1", site = "1"), family = "cumulative"), points = NULL, clmm_points = 1))

shared <- Sys.getenv("OUTCOMES_SHARED", file.path("..", "shared"))
toe <- file.path(shared, "data", "mixed-logistic-benchmarks", "toenail.csv")
imps <- file.path(shared, "data", "nimh-schizophrenia-imps79", "schizophrenia.csv")
if (file.exists(toe) && file.exists(imps)) {
  toenail <- read.csv(toe)
  toenail$bad <- as.integer(toenail$outcome != "none or mild")
  toenail$treatment <- factor(toenail$treatment, levels = c("itraconazole", "terbinafine"))
  imps79 <- read.csv(imps)
  cases <- c(cases, list(
    glmm_case("toenail", "toenail trial", bad ~ treatment * time + (1 | patientID),
      list(formula = "bad ~ treatment * time", random = list(patientID = "1"), family = "binomial"),
      data = toenail, points = c(1, 21), tmb = TRUE, file = "toenail"),
    glmm_case("imps79-binary", "schizophrenia study, ill or not", imps79b ~ TxDrug * SqrtWeek + (1 | id),
      list(formula = "imps79b ~ TxDrug * SqrtWeek", random = list(id = "1"), family = "binomial"),
      data = imps79, points = c(1, 21), tmb = TRUE, file = "imps79"),
    glmm_case("imps79-ordinal", "schizophrenia study, four ordered classes", factor(imps79o) ~ TxDrug * SqrtWeek + (1 | id),
      list(formula = "imps79o ~ TxDrug * SqrtWeek", random = list(id = "1"), family = "cumulative"),
      data = imps79, points = NULL, clmm_points = c(1, 21), file = "imps79"),
    glmm_case("imps79-ordinal-slope", "the same, correlated intercept and slope, Laplace", factor(imps79o) ~ TxDrug * SqrtWeek + (1 + SqrtWeek | id),
      list(formula = "imps79o ~ TxDrug * SqrtWeek", random = list(id = "1 + SqrtWeek"), family = "cumulative"),
      data = imps79, points = NULL, clmm_points = 1, file = "imps79")))
}
write_cases(cases, "mixed_glmm.json")
