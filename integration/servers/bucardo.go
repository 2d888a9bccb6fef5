package servers

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Bucardo is the replication of that name, which has triggers tell it of changes: what runs its
// program, and the programs of a PostgreSQL with PL/Perl, in which it keeps what it knows. Both are
// fetched from Debian, once on a machine, with a Perl of their own.
type Bucardo struct {
	*Tool  // Perl
	Server *Installation
}

// FindBucardo finds or fetches Bucardo.
func FindBucardo(ctx context.Context) (*Bucardo, error) {
	b := debian("bucardo")
	b.bin = "usr/lib/postgresql/15/bin"
	b.packages = append(b.packages, "postgresql-15", "postgresql-plperl-15")
	b.programs = []string{"postgres", "initdb", "pg_resetwal", "psql", "../../../../bin/perl", "../../../../bin/bucardo"}
	b.with = []string{"perl*", "libperl*"}
	i := &Installation{engine: postgres{}, version: "15"}
	err := i.settle()
	if err == nil {
		i.bin, err = b.fetch(ctx, i.folder)
	}
	if err != nil {
		return nil, fmt.Errorf("find Bucardo: %w", err)
	}
	t := &Tool{root: b.path(i.folder)}
	t.path = filepath.Join(t.root, "usr/bin/perl")
	var modules []string
	for _, pattern := range []string{"usr/share/perl5", "usr/lib/*/perl5/*", "usr/share/perl/*.*", "usr/lib/*/perl/*.*", "usr/lib/*/perl-base"} {
		found, _ := filepath.Glob(filepath.Join(t.root, pattern)) // the patterns are well-formed
		slices.Sort(found)
		modules = append(modules, found...)
	}
	t.variables = []string{"PERL5LIB=" + strings.Join(modules, ":")}
	i.variables = t.variables
	return &Bucardo{Tool: t, Server: i}, nil
}

// Script is the path of the program, which Perl is to run.
func (b *Bucardo) Script() string { return filepath.Join(b.root, "usr/bin/bucardo") }
