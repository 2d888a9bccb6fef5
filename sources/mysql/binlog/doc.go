// Package binlog decodes the binary log of MySQL and MariaDB: bytes of events in, events and
// values out. It knows no connection. Whatever bytes it is given, it returns an error rather
// than panic, and makes no room for more than what has come.
package binlog
