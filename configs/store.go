package configs

import "github.com/hashicorp/hcl/v2/hclsyntax"

// store decodes a store block.
func (d *decoder) store(b *hclsyntax.Block) {
	d.check(b.Body, "a store block", schema{
		attrs: []string{"engine", "dsn", "insecure", "capture"},
	})
	s := &Store{Capture: CaptureAuto, at: b.DefRange(), attrs: ranges(b.Body)}
	if attr := d.required(b, "engine", `"sqlite"`); attr != nil {
		s.Engine = d.engine(attr)
	}
	if attr := d.required(b, "dsn", `env("NAME_DSN")`); attr != nil {
		s.DSN = d.secret(attr.Expr, "dsn")
	}
	d.capture(b.Body.Attributes["capture"], s)
	d.insecure(b.Body.Attributes["insecure"], s)
	name, ok := d.identifier(b)
	if !ok {
		return
	}
	if other := d.config.Store(name); other != nil {
		d.errorf(b.LabelRanges[0], "Duplicate store", "There is a store %q already, at %s.", name, line(other.at))
		return
	}
	s.Name = name
	d.config.Stores = append(d.config.Stores, s)
}

// engine decodes the engine of a store.
func (d *decoder) engine(attr *hclsyntax.Attribute) string {
	return d.choice(attr, []string{engineSQLite, enginePostgres, engineMySQL, engineMariaDB}, nil)
}

// capture decodes how the changes of a store are captured. Only SQLite has ways besides its
// log, so only there is it one of them. The log of MySQL always has whole rows.
func (d *decoder) capture(attr *hclsyntax.Attribute, s *Store) {
	words := []string{"auto", "keys", "rows"}
	switch {
	case s.isMySQL():
		words = []string{"auto", "rows"}
	case s.Engine == engineSQLite:
		words = append(words, "wal")
	}
	if word := d.choice(attr, words, nil); word != "" {
		s.Capture = Capture(word)
	}
}

// insecure decodes whether a server may be reached without being verified, and then checks
// the dsn, which may ask for that.
func (d *decoder) insecure(attr *hclsyntax.Attribute, s *Store) {
	ok := true
	if attr != nil {
		s.Insecure, ok = d.truth(attr)
	}
	switch {
	case s.Engine == enginePostgres:
		d.postgresDSN(s, ok && !s.Insecure)
	case s.isMySQL():
		d.mysqlDSN(s, ok && !s.Insecure)
	case attr != nil && s.Engine == engineSQLite:
		d.errorf(attr.NameRange, "Insecure without a server",
			"A SQLite store is a file, to which there is no connection to secure. Take insecure out.")
		s.Insecure = false
	}
}
