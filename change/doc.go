// Package change is the common stream: what every source produces, the router
// decides on, and every sink applies. It knows no engine and imports the
// standard library only.
//
// A [Value] is one column of one row. A [Row] is a list of values in the order of
// its [Table]'s columns; a nil Row is a row that does not exist, because an absent
// row is a value like any other. A [Change] is one row with its images before and
// after. A [Tx] is what one store committed at once, with the [Position] at which
// its log continues and the [Tag] that tells the link's own writes from others.
package change
