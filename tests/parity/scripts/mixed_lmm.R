# Reference answers for linear mixed models.
#
# Run from the repository root:  Rscript tests/parity/scripts/mixed_lmm.R
# It reads tests/parity/reference/mixed_trial.csv, made by mixed_data.py, and writes
# tests/parity/reference/mixed_lmm.json.
#
# All fits are those of lme4 at the optimum polished by Newton steps on the profiled
# deviance. Multiple membership has no formula in lme4: the rows of Z' for (1 | lead) are
# replaced by half of the lead's indicator and half of the second therapist's.
source("tests/parity/scripts/mixed_functions.R")
suppressWarnings(suppressPackageStartupMessages({
  library(lmerTest); library(pbkrtest); library(emmeans)
}))
DATA <- read_trial()
control <- lmerControl(check.conv.singular = "ignore")

tight <- function(formula, reml, membership = FALSE) {
  lf <- lFormula(formula, DATA, REML = reml, control = control)
  if (membership) {
    half <- function(f) Matrix::t(Matrix::sparse.model.matrix(~ 0 + f, data.frame(f = f)))
    at <- which(names(lf$reTrms$cnms) == "lead")
    rows <- lf$reTrms$Gp[at] + seq_len(nlevels(DATA$lead))
    new <- as((half(DATA$lead) + half(factor(DATA$second, levels(DATA$lead)))) / 2, "CsparseMatrix")
    parts <- list(if (rows[1] > 1) lf$reTrms$Zt[seq_len(rows[1] - 1), , drop = FALSE], new,
      if (max(rows) < nrow(lf$reTrms$Zt)) lf$reTrms$Zt[(max(rows) + 1):nrow(lf$reTrms$Zt), , drop = FALSE])
    lf$reTrms$Zt <- as(do.call(rbind, Filter(Negate(is.null), parts)), "dgCMatrix")
    lf$reTrms$Ztlist[[at]] <- new
  }
  dev <- do.call(mkLmerDevfun, c(lf, list(control = control)))
  opt <- optimizeLmer(dev, optimizer = "bobyqa", control = list(rhoend = 1e-9, maxfun = 100000))
  at <- polish(dev, opt$par, environment(dev)$lower)
  opt$par <- at$par
  opt$fval <- dev(at$par)
  m <- mkMerMod(environment(dev), opt, lf$reTrms, fr = lf$fr,
    mc = as.call(list(as.name("lmer"), formula = formula, data = as.name("DATA"), REML = reml)))
  list(fit = m, dev = dev, gradient = at$gradient)
}

kenward_roger <- function(m, rows) {
  V <- as.matrix(vcovAdj(m))
  df <- sapply(seq_along(rows), function(i) Lb_ddf(as.numeric(seq_along(rows) == i), vcov(m), vcovAdj(m)))
  se <- sqrt(diag(V)); t <- unname(fixef(m)) / se
  list(vcov = mat(V)$values, se = vec(se), df = vec(df), t = vec(t), p = vec(2 * pt(-abs(t), df)))
}

f_tests <- function(f, rows, patterns, reml) lapply(patterns, function(pattern) {
  i <- grep(pattern, rows)
  L <- matrix(0, length(i), length(rows)); L[cbind(seq_along(i), i)] <- 1
  one <- function(ddf) {
    a <- contestMD(f, L, ddf = ddf)
    list(F = a[["F value"]], num_df = a[["NumDF"]], den_df = a[["DenDF"]], p = a[["Pr(>F)"]])
  }
  c(list(rows = vec(rows[i]), satterthwaite = one("Satterthwaite")),
    if (reml) list(kenward_roger = one("Kenward-Roger")))
})

means <- function(f, method) {
  block <- function(g) {
    t <- as.data.frame(summary(g, infer = TRUE))
    list(arm = vec(as.character(t[[1]])), visit = vec(as.character(t$visit)), estimate = vec(t[[3]]), se = vec(t$SE),
      df = vec(t$df), lower = vec(t$lower.CL), upper = vec(t$upper.CL), p = vec(t$p.value))
  }
  g <- emmeans(f, ~ arm | visit, lmer.df = method)
  list(means = block(g), differences = block(contrast(g, "trt.vs.ctrl", ref = 1)))
}

# Intervals as confint() prints them, read off splines through the profile; and by
# lme4's deviance as a function of standard deviations and correlations, minimised over
# the others at every value tried. The two differ where the splines fail.
profiles <- function(formula) {
  m <- lme4::lmer(formula, DATA, REML = FALSE, control = lmerControl(optimizer = "bobyqa",
    optCtrl = list(rhoend = 1e-10, maxfun = 1e5), check.conv.singular = "ignore"))
  ci <- confint(profile(m, delta.cutoff = 1 / 16, devtol = 1e-7, signames = FALSE), level = 0.95)
  dd <- lme4:::devfun2(m, useSc = TRUE, signames = FALSE)
  best <- attr(dd, "optimum")[seq_along(c(getME(m, "theta"), 1))]
  correlation <- grepl("^cor", names(best))
  low <- ifelse(correlation, -1, 0); high <- ifelse(correlation, 1, Inf)
  gap <- function(k, v) {
    f <- function(p) { x <- best; x[-k] <- p; x[k] <- v; dd(x) }
    found <- nlminb(best[-k], f, lower = low[-k], upper = high[-k], control = list(rel.tol = 1e-15, x.tol = 1e-12, eval.max = 2000, iter.max = 1000))
    found$objective - attr(dd, "basedev") - qchisq(0.95, 1)
  }
  end <- function(k, side) {
    bound <- if (side < 0) low[k] else high[k]
    to <- best[k]
    for (j in 1:60) {
      to <- to + side * 0.1 * max(abs(best[k]), 0.2)
      if ((to - bound) * side >= 0) { if (gap(k, bound) < 0) return(bound); to <- bound }
      if (gap(k, to) > 0) break
    }
    uniroot(function(v) gap(k, v), sort(c(best[k], to)), tol = 1e-9)$root
  }
  at <- seq_along(best)
  list(parameter = vec(rownames(ci)), lower = vec(ci[, 1]), upper = vec(ci[, 2]),
    by_deviance = list(parameter = vec(names(best)), lower = vec(sapply(at, end, side = -1)), upper = vec(sapply(at, end, side = 1))))
}

lmm_case <- function(id, title, formula, spec, reml = TRUE, tests = list(), reduced = list(),
                     marginal = FALSE, profile = FALSE, membership = FALSE) {
  cat("  ", id, "\n")
  t <- tight(formula, reml, membership); m <- t$fit
  f <- lmerTest:::as_lmerModLT(m, t$dev)
  s <- coef(summary(f, ddf = "Satterthwaite"))
  rows <- rownames(s)
  out <- list(n_records = nobs(m), groups = lapply(getME(m, "flist"), nlevels), max_abs_gradient = t$gradient,
    loglik = as.numeric(logLik(m)), aic = AIC(m), bic = BIC(m), n_parameters = attr(logLik(m), "df"),
    fixed = list(names = vec(rows), estimate = vec(s[, 1]), se = vec(s[, 2]), df = vec(s[, 3]), t = vec(s[, 4]), p = vec(s[, 5])),
    vcov = mat(as.matrix(vcov(m)))$values, residual_sd = sigma(m), components = components(m),
    singular = isSingular(m), modes = modes(m))
  if (reml) out$kenward_roger <- tryCatch(kenward_roger(m, rows), error = function(e) list(error = conditionMessage(e)))
  if (length(tests)) out$f_tests <- f_tests(f, rows, tests, reml && !membership)
  if (marginal) out$means <- list(satterthwaite = means(f, "satterthwaite"), kenward_roger = means(f, "kenward-roger"))
  if (profile) out$profile_ml <- profiles(formula)
  if (length(reduced)) out$reduced <- lapply(reduced, function(r) list(call = one_line(r),
    loglik_reml = as.numeric(logLik(tight(r, TRUE, membership && grepl("lead", one_line(r)))$fit)),
    loglik_ml = as.numeric(logLik(tight(r, FALSE, membership && grepl("lead", one_line(r)))$fit))))
  if (length(reduced)) out$full <- list(loglik_reml = as.numeric(logLik(tight(formula, TRUE, membership)$fit)),
    loglik_ml = as.numeric(logLik(tight(formula, FALSE, membership)$fit)))
  list(id = id, title = title, data = "mixed_trial.csv", software = versions("lme4", "lmerTest", "pbkrtest", "emmeans"),
    call = sprintf("lmer(%s, REML = %s)", one_line(formula), reml),
    spec = c(spec, list(method = if (reml) "reml" else "ml")), results = out)
}

cases <- list(
  lmm_case("visits", "arm by visit, correlated intercept and slope",
    score ~ baseline + arm * visit + (1 + week | subject),
    list(formula = "score ~ baseline + arm * visit", random = list(subject = "1 + week")),
    tests = list(interaction = ":", visits = "^visit"), marginal = TRUE,
    reduced = list(`subject:week` = score ~ baseline + arm * visit + (1 | subject))),
  lmm_case("visits-ml", "the same by maximum likelihood",
    score ~ baseline + arm * visit + (1 + week | subject), reml = FALSE,
    list(formula = "score ~ baseline + arm * visit", random = list(subject = "1 + week")),
    tests = list(interaction = ":"), profile = TRUE),
  lmm_case("nested", "therapists within sites (a / b), subjects",
    score ~ baseline + arm * week + (1 | subject) + (1 | site / lead),
    list(formula = "score ~ baseline + arm * week", random = list(subject = "1", `site/lead` = "1")),
    tests = list(arm = "arm"),
    reduced = list(`site:lead` = score ~ baseline + arm * week + (1 | subject) + (1 | site),
      site = score ~ baseline + arm * week + (1 | subject) + (1 | site:lead),
      subject = score ~ baseline + arm * week + (1 | site / lead))),
  lmm_case("nested-ml", "the same by maximum likelihood",
    score ~ baseline + arm * week + (1 | subject) + (1 | site / lead), reml = FALSE,
    list(formula = "score ~ baseline + arm * week", random = list(subject = "1", `site/lead` = "1")), profile = TRUE),
  lmm_case("interaction", "site by therapist as one grouping (a : b), subjects",
    score ~ baseline + arm * week + (1 | subject) + (1 | site:lead),
    list(formula = "score ~ baseline + arm * week", random = list(subject = "1", `site:lead` = "1"))),
  lmm_case("crossed-ml", "crossed sites and therapists, maximum likelihood",
    score ~ baseline + arm * week + (1 | subject) + (1 | site) + (1 | lead), reml = FALSE,
    list(formula = "score ~ baseline + arm * week", random = list(subject = "1", site = "1", lead = "1")), profile = TRUE),
  lmm_case("multiple-membership", "two therapists per subject, half each",
    score ~ baseline + arm * week + (1 | subject) + (1 | lead), membership = TRUE,
    list(formula = "score ~ baseline + arm * week", random = list(subject = "1", `mm(lead, second)` = "1")),
    tests = list(arm = "arm"),
    reduced = list(`mm(lead, second)` = score ~ baseline + arm * week + (1 | subject))),
  lmm_case("slopes-independent", "independent intercept and two slopes (||)",
    score ~ baseline + arm * (early + late) + (1 + early + late || subject),
    list(formula = "score ~ baseline + arm * (early + late)", random = list(subject = "1 || early + late")),
    tests = list(slopes = ":"),
    reduced = list(`subject:early` = score ~ baseline + arm * (early + late) + (1 + late || subject),
      `subject:late` = score ~ baseline + arm * (early + late) + (1 + early || subject))),
  lmm_case("slopes-independent-ml", "the same by maximum likelihood",
    score ~ baseline + arm * (early + late) + (1 + early + late || subject), reml = FALSE,
    list(formula = "score ~ baseline + arm * (early + late)", random = list(subject = "1 || early + late")), profile = TRUE),
  lmm_case("slopes-correlated", "correlated intercept and two slopes",
    score ~ baseline + arm * (early + late) + (1 + early + late | subject),
    list(formula = "score ~ baseline + arm * (early + late)", random = list(subject = "1 + early + late")),
    tests = list(slopes = ":")),
  lmm_case("slope-only", "a random slope without an intercept",
    score ~ baseline + arm * week + (0 + week | subject),
    list(formula = "score ~ baseline + arm * week", random = list(subject = "0 + week")),
    tests = list(arm = "arm")),
  lmm_case("variance-zero", "the variance of sites at zero",
    even ~ baseline + arm * week + (1 | subject) + (1 | site),
    list(formula = "even ~ baseline + arm * week", random = list(subject = "1", site = "1")),
    tests = list(arm = "arm"), reduced = list(site = even ~ baseline + arm * week + (1 | subject))),
  lmm_case("correlation-one", "intercept and slope of subjects correlated to one",
    fan ~ baseline + arm * week + (1 + week | subject),
    list(formula = "fan ~ baseline + arm * week", random = list(subject = "1 + week")),
    tests = list(arm = "arm"), reduced = list(`subject:week` = fan ~ baseline + arm * week + (1 | subject))))
write_cases(cases, "mixed_lmm.json")
