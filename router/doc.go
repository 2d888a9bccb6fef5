// Package router is the reconciler of one link: it reads both logs, decides what each
// row should be, and writes it where it is missing.
//
// The pure part is [reconciler]: it holds, for each row on which the stores may now
// disagree, what each log last said of it, and it is stepped by transactions, looks and
// results. It does no I/O, reads no clock and starts nothing, so that its tests can stop
// it between any two steps. [Link] is the part around it: it reads, looks and applies in
// goroutines of its own and feeds what comes back to the reconciler, which one goroutine
// owns.
//
// The algorithm is written down, rule by rule, in ARCHITECTURE.md.
package router
