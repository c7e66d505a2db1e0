# Reference numbers for the estimate from interval-censored times.
#
# Run from the repository root:  Rscript tests/parity/reference/survival_turnbull.R
# It draws synthetic data and writes survival_turnbull.json beside itself, data included.
# Needs survival and jsonlite.
#
# survfit() ends its EM steps when survival moves by less than 5e-5, which leaves it that
# far from the maximum and further. Its function is used with that number made smaller,
# and nothing else changed.

suppressPackageStartupMessages(library(survival))

tight <- local({
  source <- deparse(survival:::survfitTurnbull)
  stopifnot(sum(grepl("5e-05", source, fixed = TRUE)) == 1)
  f <- eval(parse(text = sub("5e-05", "1e-15", source, fixed = TRUE)))
  environment(f) <- asNamespace("survival")
  f
})

set.seed(1976)
visits <- function(n, days, miss, exact = 0) {
  event <- ceiling(rweibull(n, 1.3, 90))
  left <- right <- numeric(n)
  for (i in seq_len(n)) {
    seen <- c(0, days[runif(length(days)) > miss])
    left[i] <- max(seen[seen < event[i]])
    right[i] <- if (any(seen >= event[i])) min(seen[seen >= event[i]]) else Inf
    if (is.finite(right[i]) && runif(1) < exact) left[i] <- right[i] <- event[i]
  }
  data.frame(left, right)
}
sets <- list(
  few = visits(60, c(7, 14, 28, 56, 84), 0.25),
  many = visits(120, seq(10, 200, 10), 0.6),
  mixed = visits(50, c(14, 28, 56, 84, 112), 0.3, 0.4),
  ordinary = {
    t <- sample(1:40, 45, TRUE)
    data.frame(left = t, right = ifelse(runif(45) < 0.6, t, Inf))
  }
)

# Survival where it is determined: at the ends of records.
read <- function(d) {
  y <- with(d, Surv(ifelse(left == 0, NA, left), ifelse(is.finite(right), right, NA),
                    type = "interval2"))
  at <- sort(unique(c(d$left[d$left > 0], d$right[is.finite(d$right)])))
  fit <- tight(factor(rep(1, nrow(d))), y, rep(1, nrow(d)), se.fit = FALSE)
  usual <- survfit(y ~ 1)
  step <- function(f) c(1, f$surv)[findInterval(at, f$time) + 1]
  list(time = at, survival = step(fit), usual = step(usual))
}

cases <- lapply(names(sets), function(name) {
  d <- sets[[name]]
  found <- read(d)
  list(id = name,
    call = "survfit(Surv(left, right, type = 'interval2') ~ 1), EM to 1e-15",
    data = list(left = d$left, right = ifelse(is.finite(d$right), d$right, NA)),
    time = found$time, survival = found$survival, usual = found$usual)
})
versions <- list(
  R = as.character(getRversion()),
  survival = as.character(packageVersion("survival")))
jsonlite::write_json(
  list(engine = versions, cases = cases),
  "tests/parity/reference/survival_turnbull.json", digits = NA, auto_unbox = TRUE,
  na = "null")
