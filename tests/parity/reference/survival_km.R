# Reference numbers for Kaplan-Meier curves, log-rank tests and restricted means: ties,
# steps at the quantiles, late entry, strata, several weighted rows per subject.
#
# Run from the repository root:  Rscript tests/parity/reference/survival_km.R
# It draws synthetic data and writes survival_km.json beside itself, data included.
# Needs survival and jsonlite.

suppressPackageStartupMessages(library(survival))

set.seed(20250614, kind = "Mersenne-Twister", normal.kind = "Inversion",
         sample.kind = "Rejection")
draw <- function(n, arms, days) {
  arm <- rep(LETTERS[seq_len(arms)], length.out = n)
  site <- sample(c("S1", "S2", "S3"), n, replace = TRUE)
  own <- rexp(n, 0.006 * (1 + 0.7 * (arm == "B") + 0.3 * (arm == "C")))
  lost <- runif(n, 40, 420)
  event <- as.integer(own <= lost)
  time <- pmin(own, lost)
  time <- if (days > 0) pmax(1, ceiling(time / days)) * days else round(time, 6)
  data.frame(id = seq_len(n), arm, site, start = 0, time, event, weight = 1)
}
# Rows of one subject follow each other; weights change with them; some leave a gap.
split_rows <- function(d, due) {
  do.call(rbind, lapply(seq_len(nrow(d)), function(i) {
    one <- d[i, ]
    one$weight <- round(0.5 + (i %% 5) / 4, 4)
    if (one$time <= due) return(one)
    first <- one
    first$time <- due
    first$event <- 0
    if (i %% 4 == 0) return(first)
    second <- one
    second$start <- due + ifelse(i %% 6 == 0, 10, 0)
    if (second$start >= second$time) return(first)
    second$weight <- round(one$weight * (1 + (i %% 7) / 3), 4)
    rbind(first, second)
  }))
}

sets <- list(visits = draw(150, 3, 14), exact = draw(80, 2, 0), small = draw(15, 2, 30))
# The last of each group has an event, so that nobody is left.
sets$ends <- sets$small
sets$ends$time[1:2] <- 999
sets$ends$event[1:2] <- 1
# Survival is exactly 0.75, 0.5 and 0.25 on flat stretches, in A down to its last time.
sets$flat <- data.frame(id = 1:20, arm = rep(c("A", "B"), c(8, 12)), site = "S1",
  start = 0, time = c(2, 4, 6, 8, 9, 11, 12, 15, 1, 1, 1, 5, 5, 7, 8, 8, 9, 20, 20, 21),
  event = c(1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0, 1), weight = 1)
sets$early <- sets$small       # all of B are censored before most of A have events
sets$early$time[sets$early$arm == "B"] <- 10 + seq_len(sum(sets$early$arm == "B"))
sets$early$event[sets$early$arm == "B"] <- 0
sets$late <- sets$visits
sets$late$start <- (seq_len(150) * 17) %% 60
sets$late <- sets$late[sets$late$start < sets$late$time, ]
sets$weights <- sets$visits
sets$weights$weight <- round(0.4 + (seq_len(150) %% 11) / 5, 4)
sets$rows <- split_rows(sets$visits, 84)
sets$rows_exact <- split_rows(sets$exact, 70)
sets$rows_ends <- split_rows(sets$ends, 90)

probs <- c(0.1, 0.25, 0.5, 0.75)
finite <- function(x) unname(ifelse(is.finite(x), x, NA))
columns <- function(f) list(time = f$time, n_risk = f$n.risk, n_event = f$n.event,
  n_censor = f$n.censor, survival = f$surv,
  std_error = finite(if (f$logse) f$std.err * f$surv else f$std.err),
  conf_low = finite(f$lower), conf_high = finite(f$upper))
curves <- function(d, weighted) {
  entering <- any(d$start > 0)
  out <- list()
  for (level in sort(unique(d$arm))) {
    x <<- d[d$arm == level, ]
    y <- if (entering) quote(Surv(start, time, event)) else quote(Surv(time, event))
    limits <- list()
    for (type in c("log-log", "log", "plain")) {
      call <- list(as.name("survfit"), as.call(list(as.name("~"), y, 1)),
                   data = quote(x), conf.type = type)
      if (weighted) call <- c(call, quote(weight), quote(id), TRUE)
      if (weighted) names(call)[5:7] <- c("weights", "id", "robust")
      f <- eval(as.call(call))
      q <- quantile(f, probs)
      limits[[type]] <- c(columns(f), list(quantile = finite(q$quantile),
        quantile_low = finite(q$lower), quantile_high = finite(q$upper)))
    }
    tau <- min(tapply(d$time, d$arm, max)) * 0.9
    mean <- NULL
    if (weighted) {
      # residuals() of survfit are the influences of rows on the restricted mean.
      r <- residuals(f, times = tau, type = "rmst", collapse = FALSE, weighted = FALSE)
      mean <- list(tau = tau, std_error = sqrt(sum(rowsum(r * x$weight, x$id)^2)))
    } else if (!entering && tau > min(x$time)) {
      s <- summary(f, rmean = tau)$table
      mean <- list(tau = tau, estimate = unname(s["rmean"]),
                   std_error = unname(s["se(rmean)"]))
    }
    out[[length(out) + 1]] <- list(level = level, limits = limits, rmst = mean)
  }
  out
}
ranks <- function(d) {
  lapply(list(list("none", 0), list("none", 1), list("none", 0.5), list("site", 0),
              list("site", 1)), function(how) {
    strata <- how[[1]]; rho <- how[[2]]
    f <- if (strata == "none") survdiff(Surv(time, event) ~ arm, d, rho = rho)
         else survdiff(Surv(time, event) ~ arm + strata(site), d, rho = rho)
    list(strata = strata, rho = rho, statistic = f$chisq,
      observed = unname(rowSums(as.matrix(f$obs))),
      expected = unname(rowSums(as.matrix(f$exp))), cov = unname(f$var))
  })
}
# The robust score test at zero, ties by Breslow.
scores <- function(d) {
  lapply(c("none", "site"), function(strata) {
    y <- "Surv(start, time, event) ~ factor(arm)"
    text <- if (strata == "none") y else paste(y, "+ strata(site)")
    f <- coxph(as.formula(text), d, weights = weight, cluster = id, ties = "breslow")
    list(strata = strata, statistic = unname(f$rscore))
  })
}

cases <- lapply(names(sets), function(name) {
  d <- sets[[name]]
  weighted <- any(d$weight != 1)
  list(id = name, call = c(
      if (weighted) "survfit(Surv(start, time, event) ~ 1, x, weights, id, robust = TRUE)"
      else "survfit(Surv(start, time, event) ~ 1, x)",
      if (weighted) "coxph(Surv(start, time, event) ~ factor(arm), cluster = id, weights, ties = 'breslow')$rscore"
      else "survdiff(Surv(time, event) ~ arm, rho)"),
    weighted = weighted, entering = any(d$start > 0), data = as.list(d), probs = probs,
    curves = curves(d, weighted),
    tests = if (!weighted && !any(d$start > 0)) ranks(d),
    scores = if (weighted) scores(d))
})
jsonlite::write_json(
  list(engine = list(R = paste(R.version$major, R.version$minor, sep = "."),
                     survival = as.character(packageVersion("survival"))),
       cases = cases),
  file.path("tests", "parity", "reference", "survival_km.json"),
  auto_unbox = TRUE, digits = I(15), na = "null", null = "null")
