// Package mem is a store in memory: tables, transactions, and a log of what was committed.
// It is the engine that tests run the router on, so it is deterministic, starts no
// goroutine, and can do what real stores do at their worst: keep a row otherwise than it
// was sent, log a change without its before-image, refuse a row, fire triggers, change a
// row behind the log's back, or lose its log. Everything lives in the [Store]: opening a
// new source or sink on it is a restart of the program.
package mem
