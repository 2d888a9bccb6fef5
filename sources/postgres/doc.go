// Package postgres reads PostgreSQL by logical replication: a slot and a publication of the
// link's own, the plugin pgoutput in protocol version 1, so that transactions come whole, in
// the order of their commits. Looks are exact although that order is not the one in which
// transactions become visible: see [Looker].
package postgres
