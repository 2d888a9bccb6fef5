package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	store "github.com/cdcsync/cdcsync/stores/postgres"
)

const (
	// lockWithin is how long a statement waits for a row that an application has locked.
	lockWithin = "5s"
	// endWithin bounds what ctx does not end: COMMIT and ROLLBACK.
	endWithin = time.Minute
)

// settings are those of the sink's session. Rows are found through the index of the key
// whatever the statistics of a table say, which may be empty or old, and with the same plan
// for every batch. A link whose machine has vanished holds its locks for a minute at the most.
func settings(link string) map[string]string {
	return map[string]string{
		"application_name":   "cdcsync " + link,
		"synchronous_commit": "on",
		"plan_cache_mode":    "force_generic_plan",
		"enable_hashjoin":    "off",
		"enable_mergejoin":   "off",
		"enable_seqscan":     "off",
		"jit":                "off",
		"lock_timeout":       lockWithin,

		"idle_in_transaction_session_timeout": "60s",
		"tcp_keepalives_idle":                 "30",
		"tcp_keepalives_interval":             "10",
		"tcp_keepalives_count":                "3",
	}
}

// session is a connection that runs prepared statements, many in one round trip.
type session struct {
	*store.Conn
	tag tag
	// sticky: the session carries the number of an earlier batch.
	sticky bool
}

// step is one statement of a round trip.
type step struct {
	sql string
	// bind returns the parameters and their formats; nil: none. They are valid until the
	// next bind.
	bind func() (values [][]byte, formats []int16)
	// read takes the result, which is closed afterwards; nil: nothing is wanted of it.
	read func(*pgconn.ResultReader) error
	// rows takes how many rows the statement was about; nil: not wanted.
	rows *int64
	// text asks for results as text; otherwise they are binary.
	text bool

	prepared *pgconn.StatementDescription
}

// textual binds values as text.
func textual(values ...string) func() ([][]byte, []int16) {
	return func() ([][]byte, []int16) {
		list := make([][]byte, len(values))
		for i, v := range values {
			list[i] = []byte(v)
		}
		return list, nil
	}
}

// prepare prepares the statements of steps. It tells whether all of them are: there may be
// more than a session keeps. With an error it returns the number of the step that failed.
func (s *session) prepare(ctx context.Context, steps []step) (all bool, failed int, err error) {
	for range 3 {
		all = true
		for i := range steps {
			d, err := s.Prepared(ctx, steps[i].sql)
			if err != nil {
				return false, i, err
			}
			all = all && steps[i].prepared == d
			steps[i].prepared = d
		}
		if all {
			break
		}
	}
	return all, 0, nil
}

// run runs steps in one round trip, or two where one was not prepared before. The first that
// fails ends it: its number is returned with the error. What is read of the others is void
// then.
func (s *session) run(ctx context.Context, steps ...step) (failed int, err error) {
	prepared, failed, err := s.prepare(ctx, steps)
	if err != nil {
		return failed, err
	}
	p := s.StartPipeline(ctx)
	for i := range steps {
		st := &steps[i]
		var values [][]byte
		var formats []int16
		if st.bind != nil {
			values, formats = st.bind()
		}
		results := []int16{1}
		if st.text {
			results = nil
		}
		if prepared {
			p.SendQueryStatement(st.prepared, values, formats, results)
		} else {
			p.SendQueryParams(st.sql, values, nil, formats, results)
		}
	}
	if err := p.Sync(); err != nil {
		return 0, errors.Join(err, p.Close())
	}
	for i := range steps {
		if err = steps[i].receive(p); err != nil {
			failed = i
			break
		}
	}
	if e := p.Close(); err == nil {
		err = e
	}
	return failed, err
}

// receive reads the result of the step.
func (st *step) receive(p *pgconn.Pipeline) error {
	r, err := p.GetResults()
	if err != nil {
		return err
	}
	result, ok := r.(*pgconn.ResultReader)
	if !ok {
		return errors.New("read results: the connection is out of step")
	}
	var refused error
	if st.read != nil {
		refused = st.read(result)
	}
	tag, err := result.Close()
	if st.rows != nil {
		*st.rows = tag.RowsAffected()
	}
	return errors.Join(err, refused)
}

// rollback ends a transaction that failed. A session that cannot be brought to an end is
// closed.
func (s *session) rollback() error {
	if s.IsClosed() {
		return s.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	if s.TxStatus() == 'I' {
		return nil
	}
	if err := s.Do(ctx, "ROLLBACK"); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}
