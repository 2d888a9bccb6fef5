package postgres

import (
	"testing"

	"github.com/cdcsync/cdcsync/change"
	store "github.com/cdcsync/cdcsync/stores/postgres"
)

// FuzzField feeds arbitrary bytes to the reader of fields, which takes short cuts: they lead to
// where [store.Decode] does.
func FuzzField(f *testing.F) {
	for _, kind := range []change.Kind{change.Int64, change.Bool, change.Float64, change.Bytes, change.Text, change.TimestampUTC, change.Decimal} {
		for _, s := range []string{"", "-", "0", "-0", "+1", "007", "999999999999999999", "-999999999999999999", "9223372036854775807", "9223372036854775808", "1_0", "t", `\x0aff`,
			"1e-5", "2024-01-02 03:04:05+00", "2024-01-02 03:04:05+00 BC"} {
			f.Add(byte(kind), []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		switch k := change.Kind(kind); {
		case k == change.Uint64, k < change.Bool, k > change.Array: // no column has it
			return
		}
		got, err := decodeField(change.Kind(kind), b, string(b))
		want, wantErr := store.Decode(change.Kind(kind), string(b))
		if (err == nil) != (wantErr == nil) || err == nil && string(change.AppendValue(nil, got)) != string(change.AppendValue(nil, want)) {
			t.Fatalf("%q as a %v is %v, %v; want %v, %v", b, change.Kind(kind), got, err, want, wantErr)
		}
	})
}

// FuzzSnapshot feeds arbitrary text to the readers of snapshots and of histories of timelines.
func FuzzSnapshot(f *testing.F) {
	for _, s := range []string{"10:20:10,14,15", "10:10:", "4294967295:4294967297:4294967296", ":::", "1:2", "1:2:,", "-1:2:3", "99999999999999999999:1:",
		"1\t0/3000000\tno recovery target specified\n2\t0/5000000\tbefore 2024-01-01\n", "1\tX/Y\n", "1 0/1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if snap, err := parseSnapshot(s); err == nil {
			for _, xid := range append(snap.running, snap.xmin, snap.xmax) {
				if snap.shows(xid) && !before(xid, snap.xmin) && !before(xid, snap.xmax) {
					t.Fatalf("%q shows %d, which had not ended", s, xid)
				}
			}
			for _, xid := range snap.running {
				if snap.shows(xid) && !before(xid, snap.xmin) {
					t.Fatalf("%q shows %d, which was running", s, xid)
				}
			}
		}
		_, _ = leftAt(s, 1)
	})
}
