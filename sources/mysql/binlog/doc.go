// Package binlog decodes the binary log of MySQL and MariaDB: bytes of events in, events and
// values out. It knows no connection. Whatever a server may send, it returns an error rather
// than fail, or take more memory than a few times of what it was given.
package binlog
