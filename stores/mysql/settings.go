package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// settings are the server's own, by name; one that it does not have is missing.
type settings map[string]string

func (c *Conn) readSettings(ctx context.Context) (settings, error) {
	s := settings{}
	err := c.Query(ctx, `SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format', 'binlog_row_image', 'binlog_row_value_options',
		'binlog_row_metadata', 'gtid_mode', 'enforce_gtid_consistency', 'binlog_expire_logs_seconds', 'binlog_expire_logs_auto_purge',
		'expire_logs_days', 'server_id', 'log_replica_updates', 'log_slave_updates', 'read_only', 'super_read_only', 'max_allowed_packet',
		'auto_increment_increment', 'innodb_native_foreign_keys', 'gtid_slave_pos', 'innodb_flush_log_at_trx_commit', 'sync_binlog',
		'binlog_error_action')`,
		func(v []driver.Value) error {
			s[strings.ToLower(String(v[0]))] = String(v[1])
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("read settings of the server: %w", err)
	}
	return s, nil
}

// on tells whether something is turned on. What can be on in several ways is, in each.
func (s settings) on(name string) bool {
	switch s[name] {
	case "", "OFF", "0", "NO":
		return false
	}
	return true
}

// number returns the number that a setting is, 0 if there is none.
func (s settings) number(name string) float64 {
	n, _ := strconv.ParseFloat(s[name], 64)
	return n
}

// set is the statement that changes a setting, and after the next start of the server, too, if
// it has one for that.
func (s Server) set(name, value string) string {
	if s.MariaDB {
		return "SET GLOBAL " + name + " = " + value
	}
	return "SET PERSIST " + name + " = " + value
}

// lasting is what has to be done beside a statement of set.
func (s Server) lasting() string {
	if s.MariaDB {
		return ", and write it under [mariadb] into its configuration file, for its next start"
	}
	return ""
}

const reconnect = "; sessions that are open keep what they had, so let the application connect again"

// log looks whether the log of the server has what a source needs.
func (p *preflight) log(ctx context.Context) error {
	s := p.settings
	if !s.on("log_bin") {
		p.block("", "the server writes no binary log: log_bin is off",
			"write log_bin = binlog, and a server_id that no other server has, under [mysqld] into its configuration file, and restart it; managed servers write one while automated backups are on", "")
		return nil
	}
	for _, setting := range []struct{ name, want, shows string }{
		{"binlog_format", "ROW", "the log does not tell of every row"},
		{"binlog_row_image", "FULL", "the log does not show whole rows"},
		{"binlog_row_value_options", "", "the log shows only parts of JSON"},
	} {
		if have := s[setting.name]; have != setting.want {
			value := setting.want
			if value == "" {
				value = "''"
			}
			p.block("", setting.shows+": "+setting.name+" is "+have, "set it, as an administrator"+p.lasting()+reconnect, p.set(setting.name, value))
		}
	}
	if s.number("server_id") == 0 {
		p.block("", "the server lets nobody read its log: server_id is 0", "give it a number that no other server has, as an administrator"+p.lasting(), p.set("server_id", "1"))
	}
	if have := s["binlog_row_metadata"]; have != "FULL" {
		p.warn("", "the log does not name columns: binlog_row_metadata is "+have,
			"a column that is renamed, or exchanged with another of its type, while the link is behind is noticed late; set it, as an administrator"+p.lasting(), p.set("binlog_row_metadata", "FULL"))
	}
	p.expiry()
	p.durable()
	p.full()
	p.gtids()
	return p.whole(ctx)
}

// expiry looks how long the server keeps its log.
func (p *preflight) expiry() {
	const day = 86400
	keep := p.settings.number("binlog_expire_logs_seconds")
	if keep == 0 {
		keep = p.settings.number("expire_logs_days") * day
	}
	purges := p.MariaDB || p.settings["binlog_expire_logs_auto_purge"] != "OFF"
	if purges && keep > 0 && keep < day {
		p.warn("", fmt.Sprintf("the server keeps its log for %.0f seconds: a link that stops for longer loses its place, and has to compare the tables", keep),
			"keep it for a week, as an administrator"+p.lasting(), p.set("binlog_expire_logs_seconds", "604800"))
	}
}

// durable looks whether the log tells only of what a crash of the server leaves.
func (p *preflight) durable() {
	for _, name := range []string{"innodb_flush_log_at_trx_commit", "sync_binlog"} {
		if have, ok := p.settings[name]; ok && have != "1" {
			p.warn("", "a power cut may leave the tables with other rows than the log has told of: "+name+" is "+have,
				"set it, as an administrator"+p.lasting()+". What a crash has taken away is found by verify, not by the link", p.set(name, "1"))
		}
	}
}

// full looks what the server does when it cannot write its log.
func (p *preflight) full() {
	if p.settings["binlog_error_action"] == "IGNORE_ERROR" {
		p.warn("", "the server goes on without its log when it cannot write it, as on a full disk: binlog_error_action is IGNORE_ERROR. What is committed from then on until its next start is not carried over",
			"set it, as an administrator"+p.lasting(), p.set("binlog_error_action", "ABORT_SERVER"))
	}
}

// gtids looks whether the place in the log is known on other servers.
func (p *preflight) gtids() {
	mode := p.settings["gtid_mode"]
	if p.MariaDB || mode == "ON" {
		return
	}
	var steps []string
	for _, step := range []string{"WARN", "ON"} {
		if have := p.settings["enforce_gtid_consistency"]; have != "ON" && have != step {
			steps = append(steps, p.set("enforce_gtid_consistency", step))
		}
	}
	modes := []string{"OFF", "OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"}
	for _, step := range modes[slices.Index(modes, mode)+1:] {
		steps = append(steps, p.set("gtid_mode", step))
	}
	p.warn("", "transactions have no GTIDs: gtid_mode is "+mode+". The link keeps its place by file and offset, which mean nothing on a server that takes over",
		"turn them on step by step, as an administrator; the server goes on meanwhile. With WARN its own log says what does not go with them, so look there before ON; before the last step wait until Ongoing_anonymous_transaction_count is 0 on it and its replicas",
		strings.Join(steps, "; "))
}

// whole looks whether changes of the database are in the log, wherever they come from.
func (p *preflight) whole(ctx context.Context) error {
	var only, not string
	err := p.Query(ctx, p.LogStatus(), func(v []driver.Value) error {
		only, not = String(v[2]), String(v[3])
		return nil
	})
	switch {
	case isDenied(err):
		if !p.MariaDB && p.settings["gtid_mode"] != "ON" {
			p.block("", "user "+p.user+" may not read where the log ends", "grant it, as an administrator, or turn GTIDs on",
				"GRANT REPLICATION CLIENT ON *.* TO "+p.user)
		}
	case err != nil:
		return fmt.Errorf("read state of the log: %w", err)
	}
	if only != "" && !slices.Contains(strings.Split(only, ","), p.database) || slices.Contains(strings.Split(not, ","), p.database) {
		p.block("", "the server leaves changes of database "+p.database+" out of its log",
			"take binlog-do-db and binlog-ignore-db out of its configuration file, and restart it", "")
	}
	return p.replica(ctx)
}

// replica looks whether what a replica gets from its primary is in its own log.
func (p *preflight) replica(ctx context.Context) error {
	if p.settings.on("log_replica_updates") || p.settings.on("log_slave_updates") {
		return nil
	}
	show := "SHOW REPLICA STATUS"
	if !p.MariaDB && p.Version < 80022 {
		show = "SHOW SLAVE STATUS"
	}
	is := false
	err := p.Query(ctx, show, func([]driver.Value) error {
		is = true
		return nil
	})
	if isDenied(err) {
		is, err = p.settings["gtid_slave_pos"] != "", nil
	}
	if err != nil {
		return fmt.Errorf("read whether the server is a replica: %w", err)
	}
	if is {
		p.block("", "the server is a replica, and what it gets from its primary is not in its log",
			"let the dsn lead to the primary; or write log_slave_updates = ON into its configuration file, and restart it", "")
	}
	return nil
}
