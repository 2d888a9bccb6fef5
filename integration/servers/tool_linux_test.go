package servers

import (
	"net"
	"testing"
)

// TestSysbench runs it against servers of both flavours.
func TestSysbench(t *testing.T) {
	tool, err := Sysbench(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	eachMySQL(t, func(t *testing.T, e mysql, version string) {
		db := pool.share(t, e, version).Database(t)
		a, err := parseAddress(db.DSN)
		if err != nil {
			t.Fatal(err)
		}
		host, port, err := net.SplitHostPort(a.where)
		if err != nil {
			t.Fatal(err)
		}
		out, err := tool.Command(t.Context(), "--mysql-host="+host, "--mysql-port="+port, "--mysql-user="+a.user, "--mysql-password="+a.password,
			"--mysql-db="+a.database, "--table-size=100", tool.Share("sysbench/oltp_read_write.lua"), "prepare").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if n := db.SQL(t, "SELECT count(*) FROM sbtest1"); n != "100" {
			t.Errorf("%s rows", n)
		}
	})
}
