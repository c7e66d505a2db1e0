# Reference numbers for the tests of terms and for counterfactual means.
#
# Run from the repository root:  Rscript tests/parity/scripts/anova.R
# It reads tests/parity/reference/trial_caps60.csv, a synthetic trial, and writes
# tests/parity/reference/anova.json. Needs car, emmeans, lme4, lmerTest, jsonlite.

suppressPackageStartupMessages({
  library(car)
  library(emmeans)
  library(lmerTest)
})

folder <- file.path("tests", "parity", "reference")
trial <- read.csv(file.path(folder, "trial_caps60.csv"))
trial <- trial[!is.na(trial$change), ]
for (name in c("site", "arm", "visit")) trial[[name]] <- factor(trial[[name]])
last <- trial[trial$visit == "W12", ]

versions <- function(...) {
  names <- c(...)
  c(list(R = as.character(getRversion())),
    setNames(lapply(names, function(n) as.character(packageVersion(n))), names))
}

f_table <- function(frame) {
  residual <- frame["Residuals", "Df"]
  keep <- !rownames(frame) %in% c("(Intercept)", "Residuals")
  list(term = rownames(frame)[keep], statistic = frame[keep, "F value"],
       num_df = frame[keep, "Df"], den_df = rep(residual, sum(keep)),
       p_value = frame[keep, "Pr(>F)"])
}

# F of a term from the residual sums of squares of models without it and with it, over
# the residual mean square of the whole model.
by_models <- function(tests, whole) {
  row <- function(test) {
    small <- lm(test$without, last)
    large <- lm(test$with, last)
    df <- df.residual(small) - df.residual(large)
    f <- (deviance(small) - deviance(large)) / df / (deviance(whole) / df.residual(whole))
    c(f, df, df.residual(whole), pf(f, df, df.residual(whole), lower.tail = FALSE))
  }
  found <- t(sapply(tests, row))
  list(term = names(tests), statistic = unname(found[, 1]), num_df = unname(found[, 2]),
       den_df = unname(found[, 3]), p_value = unname(found[, 4]))
}

ols_case <- function(id, fixed, type_2_tests = NULL) {
  formula <- as.formula(paste("change ~", fixed))
  summed <- list(site = "contr.sum", arm = "contr.sum")
  whole <- lm(formula, last)
  results <- list(type_3 = f_table(Anova(lm(formula, last, contrasts = summed), type = 3)))
  call <- "car::Anova(lm(, contrasts = contr.sum), type = 3)"
  if (is.null(type_2_tests)) {
    results$type_2 <- f_table(Anova(whole, type = 2))
    call <- paste0(call, "; car::Anova(lm(), type = 2)")
  } else {
    results$type_2 <- by_models(type_2_tests, whole)
    call <- paste0(call, "; type 2: F of lm() without and with the term")
  }
  list(id = id, data = "trial_caps60.csv", software = versions("car"), call = call,
       spec = list(kind = "ols", outcome = "change", fixed = fixed, visit = "W12"),
       results = results)
}

lmm_case <- function(id, fixed) {
  formula <- as.formula(paste("change ~", fixed, "+ (1 | subject)"))
  fit <- lmer(formula, trial, control = lmerControl(optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-14)))
  results <- list()
  for (type in 2:3) {
    table <- anova(fit, type = type)
    L <- show_tests(table)
    results[[paste0("type_", type)]] <- list(
      term = rownames(table), statistic = table[["F value"]], num_df = table$NumDF,
      den_df = table$DenDF, p_value = table[["Pr(>F)"]],
      L = lapply(unname(L[rownames(table)]), function(l) unname(lapply(seq_len(nrow(l)), function(i) l[i, ]))),
      columns = colnames(L[[1]]))
  }
  list(id = id, data = "trial_caps60.csv", software = versions("lme4", "lmerTest"),
       call = "lmerTest::anova(lmer(... + (1 | subject)), type = 2, 3); show_tests()",
       spec = list(kind = "lmm", outcome = "change", fixed = fixed), results = results)
}

means <- function(grid) {
  frame <- as.data.frame(summary(grid, infer = c(TRUE, FALSE)))
  lapply(list(arm = as.character(frame$arm), estimate = frame$emmean, std_error = frame$SE,
              df = frame$df, conf_low = frame$lower.CL, conf_high = frame$upper.CL), unname)
}

means_case <- function(id, fixed) {
  formula <- as.formula(paste("change ~", fixed))
  fit <- lm(formula, last)
  by_predict <- sapply(levels(last$arm), function(level) {
    set <- last
    set$arm[] <- level
    mean(predict(fit, set))
  })
  results <- list(
    counterfactual = means(emmeans(fit, "arm", counterfactuals = "arm")),
    predict = list(arm = names(by_predict), estimate = unname(by_predict)),
    at_40 = means(emmeans(fit, "arm", at = list(baseline = 40))),
    proportional = means(emmeans(fit, "arm", weights = "proportional")))
  list(id = id, data = "trial_caps60.csv", software = versions("emmeans"),
       call = paste("emmeans(lm(), 'arm', counterfactuals = 'arm'); mean(predict(lm(), arm set));",
                    "at = list(baseline = 40); weights = 'proportional'"),
       spec = list(kind = "means", outcome = "change", fixed = fixed, visit = "W12"),
       results = results)
}

cases <- list(
  ols_case("ols-two-factors", "baseline + arm * site"),
  # car counts arm:baseline as containing arm, SAS does not, so type II is spelled out.
  ols_case("ols-covariate-interaction", "site + baseline * arm", list(
    site = list(without = change ~ baseline * arm, with = change ~ site + baseline * arm),
    baseline = list(without = change ~ site + arm, with = change ~ site + baseline + arm),
    arm = list(without = change ~ site + baseline + baseline:arm, with = change ~ site + baseline * arm),
    `baseline:arm` = list(without = change ~ site + baseline + arm, with = change ~ site + baseline * arm))),
  # Not hierarchical: arm within site has no main effect of arm beside it.
  ols_case("ols-nested", "baseline + site + arm:site", list(
    baseline = list(without = change ~ site + arm:site, with = change ~ baseline + site + arm:site),
    site = list(without = change ~ baseline, with = change ~ baseline + site),
    `site:arm` = list(without = change ~ baseline + site, with = change ~ baseline + site + arm:site))),
  lmm_case("lmm-visits", "baseline + site + arm * visit"),
  lmm_case("lmm-covariate-by-visit", "baseline * visit + arm * visit"),
  lmm_case("lmm-three-ways", "baseline * arm + arm * site + visit * site"),
  means_case("means-additive", "baseline + site + arm"),
  means_case("means-interactions", "baseline * arm + arm * site + baseline * site"))

jsonlite::write_json(cases, file.path(folder, "anova.json"), auto_unbox = TRUE, digits = 15)
