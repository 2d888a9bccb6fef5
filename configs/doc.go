// Package configs reads the config: HCL files that name stores, links and the tables that
// a link keeps the same.
//
// There are two steps. [Load] works offline: it decodes the files, validates what can be
// validated without a store, and gives plain structs. [Bind] works with the catalogues of
// both stores of a link: it resolves tables and columns and compiles the table pairs.
//
// Both report every mistake that they find, each as a diagnostic with its place in the
// file and, for a name that is nearly right, the name that was probably meant. Secrets are
// in no diagnostic: what is kept of the files for showing the line of a mistake has them
// masked, and a [Secret] prints as [redacted].
package configs
