# Reference numbers for cumulative incidence and Gray's test.
#
# Run from the repository root:  Rscript tests/parity/reference/survival_competing.R
# It draws synthetic data and writes survival_competing.json beside itself, data
# included. Needs survival, cmprsk and jsonlite.

suppressPackageStartupMessages({
  library(survival)
  library(cmprsk)
})

set.seed(4711)
draw <- function(n, groups, causes, days) {
  arm <- rep(LETTERS[seq_len(groups)], length.out = n)
  site <- sample(c("S1", "S2", "S3"), n, replace = TRUE)
  rate <- 0.004 * (1 + 0.6 * (arm == "B") + 0.2 * (arm == "C")) *
    (1 + 0.5 * (site == "S2"))
  own <- rexp(n, rate)
  other <- rexp(n, 0.003)
  lost <- runif(n, 30, 400)
  time <- pmin(own, other, lost)
  event <- ifelse(time == lost, 0, ifelse(time == own, 1, 2))
  if (causes == 3) event[event == 2 & runif(n) < 0.4] <- 3
  time <- if (days > 0) pmax(1, ceiling(time / days)) * days else round(time, 6)
  data.frame(id = seq_len(n), arm, site, time, event)
}

sets <- list(
  visits = draw(150, 3, 2, 14),
  exact = draw(90, 2, 3, 0),
  small = draw(17, 2, 2, 30)
)
# The last in a group has an event, so that nobody is left.
sets$ends <- sets$small
sets$ends$time[1:2] <- 999
sets$ends$event[1:2] <- c(1, 2)

# Rows of subjects whose weight changes, as after entry into a follow-up. The variance of
# multi-state survfit takes one weight per subject; that of one cause, whichever it is,
# takes them all, so it is the reference here.
due <- 85
split <- do.call(rbind, lapply(seq_len(nrow(sets$visits)), function(i) {
  one <- sets$visits[i, ]
  if (one$time <= due) return(cbind(one, start = 0, weight = 1))
  first <- cbind(one, start = 0, weight = 1)
  first$time <- due
  first$event <- 0
  if (i %% 3 == 0) return(first)
  second <- cbind(one, start = due, weight = round(1 + (i %% 7) / 3, 4))
  rbind(first, second)
}))
weighted <- cbind(sets$exact, start = 0,
                  weight = round(0.2 + runif(nrow(sets$exact)) * 3, 4))
late <- cbind(sets$visits, start = pmin(sets$visits$time - 7,
                                        7 * rpois(nrow(sets$visits), 4)), weight = 1)

limits <- c("log-log", "log", "plain")

curves <- function(d, how = "plain") {
  d$state <- factor(d$event, 0:max(d$event))
  lapply(split(d, d$arm), function(g) {
    fits <- lapply(limits, function(type) {
      if (how == "plain") {
        survfit(Surv(time, state) ~ 1, g, conf.type = type)
      } else {
        survfit(Surv(start, time, state) ~ 1, g, id = id, weights = weight,
                conf.type = type)
      }
    })
    one <- fits[[1]]
    list(
      time = one$time, n_risk = one$n.risk[, 1],
      survival = one$pstate[, 1],
      estimate = unname(one$pstate[, -1, drop = FALSE]),
      std_error = unname(one$std.err[, -1, drop = FALSE]),
      low = lapply(fits, function(f) unname(f$lower[, -1, drop = FALSE])),
      high = lapply(fits, function(f) unname(f$upper[, -1, drop = FALSE])))
  })
}

one_cause <- function(d) {
  lapply(split(d, d$arm), function(g) {
    fit <- survfit(Surv(start, time, event > 0) ~ 1, g, id = id, weights = weight,
                   robust = TRUE)
    list(time = fit$time, survival = fit$surv, std_error = fit$std.err)
  })
}

# cuminc gives the corners of step functions; the last value at a time is that after it.
corners <- function(d) {
  fit <- cuminc(d$time, d$event, d$arm)
  fit$Tests <- NULL
  lapply(fit, function(f) {
    last <- !duplicated(f$time, fromLast = TRUE)
    list(time = f$time[last], estimate = f$est[last], variance = f$var[last])
  })
}

tests <- function(d) {
  options <- expand.grid(rho = c(0, 1, -0.5), strata = c(FALSE, TRUE))
  lapply(seq_len(nrow(options)), function(i) {
    o <- options[i, ]
    fit <- if (o$strata) cuminc(d$time, d$event, d$arm, d$site, rho = o$rho) else
      cuminc(d$time, d$event, d$arm, rho = o$rho)
    list(rho = o$rho, strata = o$strata, cause = as.integer(rownames(fit$Tests)),
         statistic = unname(fit$Tests[, "stat"]), df = unname(fit$Tests[, "df"]),
         p_value = unname(fit$Tests[, "pv"]))
  })
}

versions <- list(
  R = as.character(getRversion()),
  survival = as.character(packageVersion("survival")),
  cmprsk = as.character(packageVersion("cmprsk")))
ms <- "survfit(Surv(time, factor(event)) ~ 1, data[arm == level, ], conf.type = ...)"
rows <- paste("survfit(Surv(start, time, factor(event)) ~ 1, data[arm == level, ],",
              "id = id, weights = weight, conf.type = ...)")
cases <- c(
  lapply(names(sets), function(name) list(
    id = name, call = c(ms, "cmprsk::cuminc(time, event, arm, site, rho)"),
    data = sets[[name]], limits = limits, curves = curves(sets[[name]]),
    cuminc = corners(sets[[name]]), tests = tests(sets[[name]]))),
  list(
    list(id = "split", call = rows, data = split, limits = limits,
         curves = curves(split, "rows"), one_cause = one_cause(split)),
    list(id = "weighted", call = rows, data = weighted, limits = limits,
         curves = curves(weighted, "rows")),
    list(id = "late", call = rows, data = late, limits = limits,
         curves = curves(late, "rows"))))
jsonlite::write_json(
  list(engine = versions, cases = cases),
  "tests/parity/reference/survival_competing.json", digits = NA, auto_unbox = TRUE,
  dataframe = "columns", na = "null")
