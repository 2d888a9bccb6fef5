// Package mysql is what the source and the sink of MySQL and MariaDB share: connecting, the
// catalogue, types and their text, quoting, and setting a link up in a database.
package mysql
