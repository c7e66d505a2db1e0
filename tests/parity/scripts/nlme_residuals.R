# Residuals of gls() for tests/unit/models/test_mmrm_residuals.py.
# Run from the repository root; needs R with nlme and jsonlite:
#
#     Rscript tests/parity/scripts/nlme_residuals.R
library(nlme)
library(jsonlite)

visits <- c("W02", "W04", "W08", "W12")
trial <- read.csv("tests/parity/reference/trial_caps60.csv")
trial$row <- seq_len(nrow(trial)) - 1
trial$spread <- 0.5 + (trial$row %% 5) / 2 # variance is multiplied by this
trial <- trial[!is.na(trial$change) & trial$row %% 11 != 3, ] # gaps beside dropout
trial$arm <- factor(trial$arm)
trial$visit <- factor(trial$visit, levels = visits)
trial$place <- as.integer(trial$visit)

control <- glsControl(
  maxIter = 500, msMaxIter = 2000, tolerance = 1e-12, msTol = 1e-14,
  apVar = FALSE, opt = "nlminb"
)
visit_sd <- varIdent(form = ~ 1 | visit)
weights <- list(
  plain = visit_sd,
  weighted = varComb(visit_sd, varFixed(~spread))
)
cases <- lapply(weights, function(variance) {
  fit <- gls(
    change ~ baseline * visit + arm * visit,
    data = trial,
    correlation = corSymm(form = ~ place | subject),
    weights = variance, method = "REML", control = control
  )
  correlation <- diag(length(visits))
  rho <- coef(fit$modelStruct$corStruct, unconstrained = FALSE)
  correlation[lower.tri(correlation)] <- rho
  correlation[upper.tri(correlation)] <- t(correlation)[upper.tri(correlation)]
  structure <- fit$modelStruct$varStruct
  if (inherits(structure, "varComb")) structure <- structure[[1]]
  sd <- fit$sigma * coef(structure, unconstrained = FALSE, allCoef = TRUE)[visits]
  list(
    coefficients = as.list(coef(fit)),
    sigma = unname(correlation * outer(sd, sd)), # at spread one
    loglik = as.numeric(logLik(fit)),
    fitted = as.numeric(fitted(fit)),
    raw = as.numeric(residuals(fit, type = "response")),
    pearson = as.numeric(residuals(fit, type = "pearson")),
    normalised = as.numeric(residuals(fit, type = "normalized"))
  )
})
answer <- list(
  engine = "R nlme::gls",
  version = paste0("nlme ", packageVersion("nlme"), ", R ", getRversion()),
  call = paste(
    "gls(change ~ baseline*visit + arm*visit,",
    "corSymm(form = ~ place | subject),",
    "varIdent(form = ~ 1 | visit) [weighted: varComb with varFixed(~ spread)],",
    "method = 'REML'); residuals(type = 'response', 'pearson', 'normalized')"
  ),
  data = paste(
    "trial_caps60.csv, row counted from 0; rows with row %% 11 == 3 or without",
    "an outcome left out; spread = 0.5 + (row %% 5) / 2"
  ),
  rows = trial$row,
  cases = cases
)
write(
  toJSON(answer, digits = I(14), auto_unbox = TRUE, pretty = FALSE),
  "tests/parity/reference/nlme.json"
)
