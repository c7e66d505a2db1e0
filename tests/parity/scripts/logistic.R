# Reference numbers for logistic and probit regression and for Firth's penalty.
#
# Run from the repository root:  Rscript tests/parity/scripts/logistic.R
# It draws synthetic data and writes tests/parity/reference/logistic_cases.json, data
# included. Needs brglm2 and jsonlite.
#
# Without penalty: glm(), its information criteria, likelihood ratio tests of single
# coefficients, and the profile likelihood by refitting with an offset. With penalty:
# estimates of brglm2 (mean bias reduction, which is Firth's penalty for the logit). R
# logistf's profile intervals are recomputed from their definition: the penalised
# likelihood maximised by optim() with one coefficient held, the penalty being that of
# the whole model matrix, and the limits found by uniroot().

suppressPackageStartupMessages(library(brglm2))

set.seed(20140)
trial <- data.frame(
  arm = rep(c("PSI1", "PSI10", "PSI25"), length.out = 180),
  site = sample(c("S1", "S2", "S3", "S4"), 180, replace = TRUE),
  base = round(rnorm(180, 31, 5), 1)
)
eta <- -1 + 0.4 * (trial$arm == "PSI10") + 1.1 * (trial$arm == "PSI25") -
  0.06 * (trial$base - 31) + 0.3 * (trial$site == "S2")
trial$response <- as.integer(runif(180) < plogis(eta))

counts <- expand.grid(arm = c("A", "B"), dose = c(0.1, 0.4, 1.3, 2.2))
counts$n <- c(12, 9, 15, 11, 8, 14, 10, 13)
counts$y <- rbinom(8, counts$n, plogis(-1 + counts$dose * (counts$arm == "B")))

# Every record of arm PSI25 remits.
separated <- trial[1:72, ]
separated$remission <- separated$response
separated$remission[separated$arm == "PSI25"] <- 1L

complete <- data.frame(x = c(2.1, 3.3, 3.9, 4.4, 5.2, 6.0, 6.1, 7.7),
                       z = c(1.0, 0.2, 0.7, 0.1, 0.8, 0.3, 0.6, 0.4))
complete$y <- as.integer(complete$x > 4.8)

columns <- function(frame) lapply(as.list(frame), as.vector)
control <- glm.control(epsilon = 1e-15, maxit = 100)

rows <- function(m) lapply(seq_len(nrow(m)), function(i) unname(m[i, ]))

profile_ml <- function(fit, X, y, n, link) {
  top <- as.numeric(logLik(fit))
  held <- function(j, value) {
    if (ncol(X) == 1) return(NA)
    refit <- suppressWarnings(
      glm(cbind(y, n - y) ~ X[, -j, drop = FALSE] - 1, binomial(link),
          offset = X[, j] * value, control = control))
    as.numeric(logLik(refit))
  }
  limits(function(j, v) 2 * (top - held(j, v)), coef(fit), sqrt(diag(vcov(fit))))
}

limits <- function(statistic, estimate, se) {
  bound <- qchisq(0.95, 1)
  one <- function(j, side) {
    far <- estimate[j] + side * se[j] * 2
    while (statistic(j, far) < bound) far <- far + side * se[j]
    uniroot(function(v) statistic(j, v) - bound, sort(c(estimate[j], far)),
            tol = 1e-11)$root
  }
  k <- seq_along(estimate)
  list(conf_low = sapply(k, one, side = -1), conf_high = sapply(k, one, side = 1),
       statistic = sapply(k, statistic, 0))
}

penalised <- function(beta, X, y, n) {
  eta <- drop(X %*% beta)
  w <- n * plogis(eta) * plogis(-eta)
  ll <- sum(y * plogis(eta, log.p = TRUE) + (n - y) * plogis(-eta, log.p = TRUE))
  ll + 0.5 * as.numeric(determinant(crossprod(X * sqrt(w)))$modulus)
}

modified_score <- function(beta, X, y, n) {
  eta <- drop(X %*% beta)
  p <- plogis(eta)
  hat <- rowSums(qr.Q(qr(X * sqrt(n * p * (1 - p))))^2)
  drop(crossprod(X, y - n * p + hat * (0.5 - p)))
}

profile_firth <- function(beta, se, X, y, n) {
  size <- apply(abs(X), 2, max)
  X <- sweep(X, 2, size, "/")
  beta <- beta * size
  top <- penalised(beta, X, y, n)
  held <- function(places, values) {
    put <- function(free) { b <- beta; b[places] <- values; b[-places] <- free; b }
    if (length(places) == length(beta)) return(penalised(values, X, y, n))
    start <- beta[-places]
    for (again in 1:3) {
      found <- optim(start, function(f) -penalised(put(f), X, y, n),
                     function(f) -modified_score(put(f), X, y, n)[-places],
                     method = "BFGS", control = list(reltol = 1e-16, maxit = 2000))
      start <- found$par
    }
    -found$value
  }
  found <- limits(function(j, v) 2 * (top - held(j, v)), beta, se * size)
  found$conf_low <- found$conf_low / size
  found$conf_high <- found$conf_high / size
  found$all_but_first <- 2 * (top - held(seq_along(beta)[-1], rep(0, length(beta) - 1)))
  found$penalised <- top + sum(log(size))
  found
}

ml_case <- function(id, fixed, outcome, data, link = "logit", trials = NULL) {
  X <- model.matrix(as.formula(paste("~", fixed)), data)
  n <- if (is.null(trials)) rep(1, nrow(data)) else data[[trials]]
  y <- data[[outcome]]
  fit <- glm(cbind(y, n - y) ~ X - 1, binomial(link), control = control)
  profile <- profile_ml(fit, X, y, n, link)
  list(
    id = id, data = columns(data),
    spec = list(fixed = fixed, outcome = outcome, trials = trials, link = link,
                penalty = NULL),
    results = c(list(
      names = colnames(X), estimate = unname(coef(fit)),
      vcov = rows(vcov(fit)), loglik = as.numeric(logLik(fit)), aic = AIC(fit),
      bic = BIC(fit)), profile))
}

firth_case <- function(id, fixed, outcome, data, trials = NULL) {
  X <- model.matrix(as.formula(paste("~", fixed)), data)
  n <- if (is.null(trials)) rep(1, nrow(data)) else data[[trials]]
  y <- data[[outcome]]
  fit <- glm(cbind(y, n - y) ~ X - 1, binomial, method = "brglmFit",
             type = "AS_mean", epsilon = 1e-12, maxit = 1000)
  stopifnot(max(abs(modified_score(coef(fit), X, y, n))) < 1e-8)
  beta <- unname(coef(fit))
  se <- unname(sqrt(diag(vcov(fit))))
  profile <- profile_firth(beta, se, X, y, n)
  list(
    id = id, data = columns(data),
    spec = list(fixed = fixed, outcome = outcome, trials = trials, link = "logit",
                penalty = "firth"),
    results = c(list(
      names = colnames(X), estimate = beta, vcov = rows(unname(vcov(fit))),
      loglik = as.numeric(logLik(fit)), aic = AIC(fit)), profile))
}

cases <- list(
  ml_case("trial-logit", "arm * base + site", "response", trial),
  ml_case("trial-probit", "arm + base + site", "response", trial, link = "probit"),
  ml_case("counts-logit", "arm * dose", "y", counts, trials = "n"),
  ml_case("counts-probit", "arm + dose", "y", counts, link = "probit", trials = "n"),
  firth_case("trial-firth", "arm * base + site", "response", trial),
  firth_case("counts-firth", "arm * dose", "y", counts, trials = "n"),
  firth_case("separated-firth", "arm + base", "remission", separated),
  firth_case("complete-firth", "x + z", "y", complete)
)
software <- list(R = as.character(getRversion()),
                 brglm2 = as.character(packageVersion("brglm2")))
cases <- lapply(cases, function(case) c(case, list(software = software)))
out <- file.path("tests", "parity", "reference", "logistic_cases.json")
writeLines(jsonlite::toJSON(cases, digits = 15, auto_unbox = TRUE, null = "null"), out)
