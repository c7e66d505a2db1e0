# What the scripts of the mixed-model references share: reading the synthetic trial,
# fits driven to the exact optimum, and how results are laid out.
suppressWarnings(suppressPackageStartupMessages({
  library(lme4)
  library(numDeriv)
}))
options(contrasts = c("contr.treatment", "contr.poly"), digits = 15)

folder <- file.path("tests", "parity", "reference")
read_trial <- function() {
  d <- read.csv(file.path(folder, "mixed_trial.csv"), stringsAsFactors = TRUE)
  d$arm <- factor(d$arm, levels = c("control", "active"))
  d
}
versions <- function(...) {
  p <- c(...)
  c(list(R = as.character(getRversion())),
    setNames(lapply(p, function(n) as.character(packageVersion(n))), p))
}
mat <- function(m) list(rows = as.list(rownames(m)), values = lapply(seq_len(nrow(m)), function(i) as.list(unname(m[i, ]))))
vec <- function(x) as.list(unname(x))
one_line <- function(x) gsub("\\s+", " ", paste(deparse(x, width.cutoff = 500L), collapse = " "))
write_cases <- function(cases, file) {
  jsonlite::write_json(cases, file.path(folder, file), auto_unbox = TRUE, digits = 13, null = "null", na = "null")
  cat(file, length(cases), "cases\n")
}

# Newton steps on what is free: parameters that bobyqa left on their bound stay there.
polish <- function(f, p, lower, steps = 10, tol = 1e-7) {
  free <- !(lower == 0 & p < 1e-4)
  p[!free] <- 0
  g_of <- function(q) { p[free] <- q; f(p) }
  # numDeriv's steps are shares of the parameter: about one, none is too small.
  moved <- function(q) g_of(q - 1)
  for (k in seq_len(steps)) {
    g <- grad(moved, p[free] + 1)
    if (max(abs(g)) < tol) break
    step <- solve(hessian(moved, p[free] + 1), g)
    if (g_of(p[free] - step) > g_of(p[free]) + 1e-9) break
    p[free] <- p[free] - step
  }
  f(p)
  list(par = p, free = free, gradient = max(abs(grad(moved, p[free] + 1))))
}

# Random effects one by one: level, mode and conditional SD, by grouping and term.
modes <- function(m, most = 12) {
  Lambda <- t(getME(m, "Lambdat"))
  M <- crossprod(as(Lambda, "CsparseMatrix"), getME(m, "Zt"))
  W <- Matrix::Diagonal(x = if (isLMM(m)) rep(1, nobs(m)) else weights(m, type = "working"))
  inner <- solve(as.matrix(M %*% W %*% Matrix::t(M)) + diag(nrow(M)))
  s2 <- if (isLMM(m)) sigma(m)^2 else 1
  V <- s2 * as.matrix(Lambda) %*% inner %*% t(as.matrix(Lambda))
  b <- as.numeric(getME(m, "b")); Gp <- getME(m, "Gp"); flist <- getME(m, "flist")
  out <- list()
  for (i in seq_along(m@cnms)) {
    terms <- m@cnms[[i]]; group <- names(m@cnms)[i]
    levels <- levels(flist[[attr(flist, "assign")[i]]])
    at <- matrix(Gp[i] + seq_len(Gp[i + 1] - Gp[i]), nrow = length(terms))
    for (k in seq_along(terms)) {
      j <- head(at[k, ], most)
      out[[length(out) + 1]] <- list(grouping = group, term = terms[k], level = vec(head(levels, most)),
        estimate = vec(b[j]), conditional_sd = vec(sqrt(pmax(diag(V)[j], 0))))
    }
  }
  out
}
components <- function(m) lapply(seq_along(VarCorr(m)), function(i) {
  v <- VarCorr(m)[[i]]
  list(grouping = names(m@cnms)[i], terms = vec(rownames(v)), sd = vec(attr(v, "stddev")), covariance = mat(as.matrix(v))$values)
})
