# Time one model on a trial that mixed.py has written: median of several calls of fit
# and summary.
#
#     Rscript --vanilla mixed.R trial.csv lme4-agq
#
# Prints one line of JSON.
given <- commandArgs(trailingOnly = TRUE)
data <- read.csv(given[1], stringsAsFactors = TRUE)
what <- given[2]
yes_no <- response ~ base + arm * week
package <- sub("-.*", "", what)
suppressPackageStartupMessages(library(package, character.only = TRUE))

linear <- change ~ base + site + arm * factor(week) + (1 | subject)
intercept <- update(yes_no, . ~ . + (1 | subject))
slope <- update(yes_no, . ~ . + (1 + week | subject))
call <- switch(what,
  "lme4-agq" = function() glmer(intercept, data, family = binomial, nAGQ = 15),
  "lme4-laplace" = function() glmer(intercept, data, family = binomial),
  "lme4-slope" = function() glmer(slope, data, family = binomial),
  "lme4-linear" = function() lme4::lmer(linear, data),
  "lmerTest-linear" = function() lmerTest::lmer(linear, data),
  "glmmTMB-laplace" = function() glmmTMB(intercept, data, family = binomial),
  "glmmTMB-slope" = function() glmmTMB(slope, data, family = binomial),
  "geepack" = function() {
    geeglm(yes_no, data = data, family = binomial, id = subject, corstr = "exchangeable")
  },
  stop("not known: ", what)
)

wall <- processor <- c()
while (length(wall) < 2 || (sum(wall) < 3 && length(wall) < 10)) {
  gc()
  taken <- system.time(suppressMessages(summary(call())))
  wall <- c(wall, taken[["elapsed"]])
  processor <- c(processor, taken[["user.self"]] + taken[["sys.self"]])
}
version <- paste(package, packageVersion(package))
cat(sprintf(
  '{"wall": %.4f, "processor": %.4f, "repeats": %d, "version": "%s"}\n',
  median(wall), median(processor), length(wall), version
))
