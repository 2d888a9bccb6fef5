// Package integration holds the tests and benchmarks that need whole stores, real servers
// or the built binary. It has no code of the program.
package integration
