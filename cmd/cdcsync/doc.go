// Command cdcsync keeps tables of two databases the same, both ways.
//
// Each command has a file of its own that parses its flags and calls. What runs links is in
// instance.go (all links of a config), runner.go (one link), binding.go (a link and the
// tables of its stores) and engines.go (the engines; each has a file that opens its stores).
package main
