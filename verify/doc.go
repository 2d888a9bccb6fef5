// Package verify compares the tables of a link in both stores while both are in use, and pauses
// nothing. Rows are compared in chunks of keys, by digests that the stores compute where they
// can, and by the rows themselves where digests differ or cannot be had. Rows that differ are
// looked at again until they stand still: most are on their way. What is left is listed.
package verify
