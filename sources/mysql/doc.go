// Package mysql reads the binary log of MySQL and MariaDB as a replica does: rows, by GTID
// where the log has them and by file and offset elsewhere. It connects and frames with
// go-mysql, and decodes with the package binlog below this one. Looks are exact although the
// log is sent before a commit is visible: see [Looker].
package mysql
