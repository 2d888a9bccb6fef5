package servers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// Standby runs a second server that follows s, asynchronously: a copy that replays the log of a
// PostgreSQL, or an empty server that replicates a MySQL or MariaDB by GTIDs from its beginning. It
// reaches s at address, host and port; empty: directly. It ends as s does, by itself.
func (s *Server) Standby(ctx context.Context, address string, o Options) (*Server, error) {
	if s.given != "" {
		return nil, fmt.Errorf("start standby: %w", ErrGiven)
	}
	if address == "" {
		address = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
	}
	i := s.installation
	standby, err := i.run(ctx, func() (*Server, error) { return i.engine.standby(ctx, s, address, o) })
	if err != nil {
		return nil, err
	}
	if err := i.engine.follow(ctx, standby, address); err != nil {
		return nil, errors.Join(fmt.Errorf("have %s follow: %w", i, err), standby.Remove())
	}
	return standby, nil
}

// Promote has a standby follow no more, and take writes, once it has done all that it has received.
func (s *Server) Promote(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, fmt.Errorf("not done within %s", startTime))
	defer cancel()
	if err := s.installation.engine.promote(ctx, s); err != nil {
		return fmt.Errorf("promote standby: %w", err)
	}
	return nil
}

// StandbySlot is the replication slot that the standbys of a PostgreSQL share; a server of tests has
// one standby.
const StandbySlot = "standby"

func (p postgres) standby(ctx context.Context, of *Server, address string, o Options) (*Server, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	own := o
	own.Settings = map[string]string{
		"hot_standby_feedback": "on",
		"primary_conninfo":     fmt.Sprintf("host=%s port=%s user=postgres dbname=postgres", host, port),
		"primary_slot_name":    StandbySlot,
		// Whoever follows a server that went away asks for it again soon.
		"wal_retrieve_retry_interval": "200ms",
	}
	maps.Copy(own.Settings, o.Settings)
	return of.installation.prepare(ctx, own, func(ctx context.Context, dir string) error {
		err := of.installation.serve(ctx, "pg_basebackup", "-D", dir, "-d", of.DSN(""), "-X", "stream", "-c", "fast", "--no-sync", "-C", "-S", StandbySlot)
		if err != nil {
			return err
		}
		signal := filepath.Join(dir, "standby.signal")
		if err := os.WriteFile(signal, nil, 0o600); err != nil {
			return err
		}
		return of.installation.account.give(signal)
	})
}

// follow has nothing to do: a standby follows from its start.
func (postgres) follow(context.Context, *Server, string) error { return nil }

func (p postgres) promote(ctx context.Context, s *Server) error {
	answer, err := p.sql(ctx, s, "", "SELECT pg_promote(true, 60)")
	if err == nil && answer != "t" {
		err = fmt.Errorf("pg_promote answers %q", answer)
	}
	return err
}

func (m mysql) standby(ctx context.Context, of *Server, _ string, o Options) (*Server, error) {
	own := o
	// What it got is in its own log, too.
	own.Settings = map[string]string{"log_replica_updates": "ON"}
	if m.mariadb {
		own.Settings = map[string]string{"log_slave_updates": "ON"}
	}
	maps.Copy(own.Settings, o.Settings)
	return of.installation.prepare(ctx, own, of.installation.dataDirectory)
}

func (m mysql) follow(ctx context.Context, s *Server, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	command := `CHANGE REPLICATION SOURCE TO SOURCE_HOST = '%s', SOURCE_PORT = %s, SOURCE_USER = 'root', SOURCE_AUTO_POSITION = 1,
		SOURCE_CONNECT_RETRY = 1, GET_SOURCE_PUBLIC_KEY = 1; START REPLICA`
	if m.mariadb {
		command = `CHANGE MASTER TO MASTER_HOST = '%s', MASTER_PORT = %s, MASTER_USER = 'root', MASTER_USE_GTID = slave_pos,
		MASTER_CONNECT_RETRY = 1, MASTER_SSL_VERIFY_SERVER_CERT = 0; START SLAVE`
	}
	_, err = m.sql(ctx, s, "", fmt.Sprintf(command, host, port))
	return err
}

func (m mysql) promote(ctx context.Context, s *Server) error {
	stopReading, show, column, forget := "STOP REPLICA IO_THREAD", "SHOW REPLICA STATUS", "Retrieved_Gtid_Set", "STOP REPLICA; RESET REPLICA ALL"
	if m.mariadb {
		stopReading, show, column, forget = "STOP SLAVE IO_THREAD", "SHOW SLAVE STATUS", "Gtid_IO_Pos", "STOP SLAVE; RESET SLAVE ALL"
	}
	if _, err := m.sql(ctx, s, "", stopReading); err != nil {
		return err
	}
	cmd, err := m.client(ctx, s, "", "--vertical", "--execute="+show)
	if err != nil {
		return err
	}
	status, err := run(cmd, nil)
	if err != nil {
		return err
	}
	received := regexp.MustCompile(`(?m)^\s*` + column + `: (.*)$`).FindStringSubmatch(status)
	if received == nil {
		return fmt.Errorf("no %s in the status of the replica: %s", column, status)
	}
	if err := s.await(ctx, received[1]); err != nil {
		return err
	}
	_, err = m.sql(ctx, s, "", forget)
	return err
}

func (postgres) committed(ctx context.Context, s *Server) (string, error) {
	return s.SQL(ctx, "", "SELECT pg_current_wal_flush_lsn()")
}

func (postgres) has(ctx context.Context, s *Server, end string) (bool, error) {
	answer, err := s.SQL(ctx, "", "SELECT pg_last_wal_replay_lsn() >= '"+end+"'")
	return answer == "t", err
}

func (m mysql) committed(ctx context.Context, s *Server) (string, error) {
	if m.mariadb {
		return s.SQL(ctx, "", "SELECT @@gtid_binlog_pos")
	}
	return s.SQL(ctx, "", "SELECT @@gtid_executed")
}

func (m mysql) has(ctx context.Context, s *Server, end string) (bool, error) {
	question, yes := "SELECT GTID_SUBSET('%s', @@gtid_executed)", "1"
	if m.mariadb {
		question, yes = "SELECT MASTER_GTID_WAIT('%s', 0)", "0"
	}
	answer, err := s.SQL(ctx, "", fmt.Sprintf(question, end))
	return answer == yes, err
}

// Behind waits until a standby has all that its primary has committed so far.
func (s *Server) Behind(ctx context.Context, primary *Server) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, fmt.Errorf("not within %s", startTime))
	defer cancel()
	end, err := s.installation.engine.committed(ctx, primary)
	if err == nil {
		err = s.await(ctx, end)
	}
	if err != nil {
		return fmt.Errorf("wait for the standby: %w", err)
	}
	return nil
}

// await waits until a standby has done everything up to end.
func (s *Server) await(ctx context.Context, end string) error {
	for {
		if done, err := s.installation.engine.has(ctx, s, end); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
