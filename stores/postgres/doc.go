// Package postgres is what the source and the sink of PostgreSQL share: connections with
// sessions that print every value in one form, the catalogue, the types, quoting, what a link
// keeps in a database, and what stands in its way there. PostgreSQL 14 to 18.
//
// What a link needs in a database lives in the schema cdcsync: its marker, its conflicts, and
// what setup changed. Where its log is read there are also a publication and a logical
// replication slot; where rows are written with a replication origin, that.
package postgres
