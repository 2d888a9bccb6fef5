package main

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
)

// A dsn tells its engine, and what of it the config has.
func TestFindStore(t *testing.T) {
	for _, test := range []struct{ dsn, engine, config, as string }{
		{"postgres://u:p@h/d", "postgres", `env("RIGHT_DSN")`, "postgres://u:p@h/d"},
		{"postgresql:///d", "postgres", `env("RIGHT_DSN")`, "postgresql:///d"},
		{"host=h dbname='a b'", "postgres", `env("RIGHT_DSN")`, "host=h dbname='a b'"},
		{"u:p=/@x@tcp(h:3306)/d?tls=true", "mysql", `env("RIGHT_DSN")`, "u:p=/@x@tcp(h:3306)/d?tls=true"},
		{"u@unix(/run/mysql.sock)/d", "mysql", `env("RIGHT_DSN")`, "u@unix(/run/mysql.sock)/d"},
		{"u:p@/d", "mysql", `env("RIGHT_DSN")`, "u:p@/d"},
		{"mysql://u:p%40ss@h/d?tls=true", "mysql", `env("RIGHT_DSN")`, "u:p@ss@tcp(h:3306)/d?tls=true"},
		{"mariadb://u@[::1]:3307/d", "mysql", `env("RIGHT_DSN")`, "u@tcp([::1]:3307)/d"},
		{"shop.db", "sqlite", `"shop.db"`, "shop.db"},
		{"/srv/a ${b}.db", "sqlite", `"/srv/a $${b}.db"`, "/srv/a ${b}.db"},
		{"sqlite:shop.db", "sqlite", `"shop.db"`, "shop.db"},
		{"sqlite:///srv/shop.db", "sqlite", `"/srv/shop.db"`, "/srv/shop.db"},
		{"file:shop.db?_pragma=key(x)", "sqlite", `env("RIGHT_DSN")`, "file:shop.db?_pragma=key(x)"},
	} {
		f := findStore(test.dsn, change.Right)
		if f.engine != test.engine || f.DSN != test.config || f.dsn != test.as {
			t.Errorf("%s is %s with %s as %s, want %s with %s as %s", test.dsn, f.engine, f.DSN, f.dsn, test.engine, test.config, test.as)
		}
		if secret := f.variable != ""; secret != (test.config[0] == 'e') {
			t.Errorf("%s: %q is to be set", test.dsn, f.variable)
		}
	}
}
