package binlog_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
)

// event returns an event with a header that fits, without a checksum.
func event(kind byte, body []byte) []byte {
	raw := make([]byte, 19, 19+len(body))
	raw[4] = kind
	raw = append(raw, body...)
	binary.LittleEndian.PutUint32(raw[9:], uint32(len(raw)))
	return raw
}

// formatEvent returns an event that says that events have no checksums.
func formatEvent() []byte {
	body := make([]byte, 2+50+4)
	body[0] = 4
	body = append(body, 19)
	body = append(body, bytes.Repeat([]byte{8}, 42)...)
	return event(15, append(body, 0, 0, 0, 0, 0))
}

// transaction returns a transaction that is compressed by a method, and claims to be of a size.
func transaction(method uint64, payload []byte, size int) []byte {
	number := func(n uint64) []byte { return append([]byte{9, 0xfe}, binary.LittleEndian.AppendUint64(nil, n)...) }
	var body []byte
	body = append(append(body, 2), number(method)...)
	body = append(append(body, 1), number(uint64(size))...)
	return event(40, append(append(body, 0), payload...))
}

const (
	methodZstd = 0
	methodNone = 255
)

func query(text string) []byte {
	body := make([]byte, 13)
	body[8] = 2
	return event(2, append(body, "db\x00"+text...))
}

func compress(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestPayload reads transactions that are compressed, and such as only look like it.
func TestPayload(t *testing.T) {
	content := slices.Concat(query("BEGIN"), query(strings.Repeat("long ", 100000)), event(16, make([]byte, 8)))
	want := []string{"  query BEGIN", "  query " + strings.TrimSpace(strings.Repeat("long ", 100000)), "  commit"}
	zipped := compress(t, content)
	for name, raw := range map[string][]byte{
		"zstd": transaction(methodZstd, zipped, len(zipped)),
		"none": transaction(methodNone, content, len(content)),
		"more": transaction(methodZstd, append(slices.Clone(zipped), 1, 2, 3, 4), len(zipped)), // not of the payload
	} {
		t.Run(name, func(t *testing.T) {
			var got transcript
			decodeAll(t, [][]byte{formatEvent(), raw, raw}, got.add)
			if lines := got.lines[1:]; !slices.Equal(lines, slices.Concat(want, want)) {
				t.Errorf("got %.200q", lines)
			}
		})
	}
	for name, raw := range map[string][]byte{
		"cut":        transaction(methodZstd, zipped[:len(zipped)/2], len(zipped)/2),
		"too long":   transaction(methodZstd, zipped, len(zipped)+1),
		"in another": transaction(methodNone, transaction(methodZstd, zipped, len(zipped)), len(zipped)+41),
		"half event": transaction(methodNone, content[:len(content)-1], len(content)-1),
		"no zstd":    transaction(methodZstd, content, len(content)),
		"short size": transaction(methodNone, make([]byte, 19), 19),
	} {
		t.Run(name, func(t *testing.T) {
			d := binlog.NewDecoder()
			if err := d.Each(formatEvent(), func(*binlog.Event) error { return nil }); err != nil {
				t.Fatal(err)
			}
			err := d.Each(raw, func(*binlog.Event) error { return nil })
			if !errors.Is(err, binlog.ErrMalformed) {
				t.Errorf("got %v", err)
			}
			// What comes after is read as if nothing had been.
			var got transcript
			if err := d.Each(transaction(methodZstd, zipped, len(zipped)), got.add); err != nil || !slices.Equal(got.lines, want) {
				t.Errorf("the next: %v, %.200q", err, got.lines)
			}
		})
	}
	t.Run("unknown method", func(t *testing.T) {
		err := binlog.NewDecoder().Each(transaction(7, zipped, len(zipped)), func(*binlog.Event) error { return nil })
		if !errors.Is(err, binlog.ErrUnknown) {
			t.Errorf("got %v", err)
		}
	})
}

// checked returns an event with its checksum.
func checked(raw []byte) []byte {
	binary.LittleEndian.PutUint32(raw[9:], uint32(len(raw)+4))
	return binary.LittleEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw))
}

// checkedFormat says that events have checksums.
func checkedFormat() []byte {
	raw := formatEvent()
	raw = raw[:len(raw)-4]
	raw[len(raw)-1] = 1
	return checked(raw)
}

// TestPayloadFrom reads transactions while they come, in pieces of whatever size, with checksums and
// without: it gives the events, and the errors, that it gives if they are there as a whole.
func TestPayloadFrom(t *testing.T) {
	content := slices.Concat(query("BEGIN"), query(strings.Repeat("long ", 10000)), event(16, make([]byte, 8)))
	zipped := compress(t, content)
	flipped := checked(transaction(methodNone, content, len(content)))
	flipped[200] ^= 1
	wrongSum := checked(transaction(methodZstd, zipped, len(zipped)))
	wrongSum[len(wrongSum)-1] ^= 1
	pieces := map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader, "with its end": iotest.DataErrReader,
	}
	for name, c := range map[string]struct {
		format, raw []byte
		want        error
	}{
		"zstd":          {formatEvent(), transaction(methodZstd, zipped, len(zipped)), nil},
		"none":          {formatEvent(), transaction(methodNone, content, len(content)), nil},
		"more":          {formatEvent(), transaction(methodZstd, append(slices.Clone(zipped), 1, 2, 3, 4), len(zipped)), nil},
		"checked":       {checkedFormat(), checked(transaction(methodZstd, zipped, len(zipped))), nil},
		"checked, more": {checkedFormat(), checked(transaction(methodNone, append(slices.Clone(content), 1, 2), len(content))), nil},
		"flipped":       {checkedFormat(), flipped, binlog.ErrChecksum},
		"wrong sum":     {checkedFormat(), wrongSum, binlog.ErrChecksum},
		"cut":           {formatEvent(), transaction(methodZstd, zipped[:len(zipped)/2], len(zipped)/2), binlog.ErrMalformed},
		"too long":      {formatEvent(), transaction(methodZstd, zipped, len(zipped)+1), binlog.ErrMalformed},
		"half event":    {formatEvent(), transaction(methodNone, content[:len(content)-1], len(content)-1), binlog.ErrMalformed},
		"no fields":     {formatEvent(), event(40, nil), binlog.ErrMalformed},
		"unknown":       {formatEvent(), transaction(7, zipped, len(zipped)), binlog.ErrUnknown},
	} {
		for how, in := range pieces {
			d, whole := binlog.NewDecoder(), binlog.NewDecoder()
			var got, want transcript
			for _, x := range []*binlog.Decoder{d, whole} {
				if err := x.Each(c.format, func(*binlog.Event) error { return nil }); err != nil {
					t.Fatal(err)
				}
			}
			err := d.EachFrom(c.raw[:binlog.HeaderSize], in(bytes.NewReader(c.raw[binlog.HeaderSize:])), got.add)
			if other := whole.Each(c.raw, want.add); !errors.Is(err, c.want) || !errors.Is(other, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("%s, %s: %v, as a whole %v", name, how, err, other)
			}
			if c.want != binlog.ErrChecksum && !slices.Equal(got.lines, want.lines) { // which comes too late
				t.Errorf("%s, %s: %.200q, as a whole %.200q", name, how, got.lines, want.lines)
			}
		}
	}
	raw, broken := transaction(methodZstd, zipped, len(zipped)), errors.New("broken")
	cut := io.MultiReader(bytes.NewReader(raw[binlog.HeaderSize:len(raw)/2]), iotest.ErrReader(broken))
	if err := binlog.NewDecoder().EachFrom(raw[:binlog.HeaderSize], cut, func(*binlog.Event) error { return nil }); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
}

// TestPayloadStops returns the error of the function that events are given to, and that one
// alone.
func TestPayloadStops(t *testing.T) {
	content := slices.Concat(query("BEGIN"), query("COMMIT"))
	stop, calls := errors.New("stop"), 0
	err := binlog.NewDecoder().Each(transaction(methodNone, content, len(content)), func(*binlog.Event) error {
		calls++
		return stop
	})
	if err != stop || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

// TestClaims gives the decoder events that claim to be large: it makes no room for what does
// not come.
func TestClaims(t *testing.T) {
	huge := make([]byte, 19)
	huge[4] = 2
	binary.LittleEndian.PutUint32(huge[9:], 1<<32-1)
	members := tableMap(12, []byte{0xf7, 2}, 6, append([]byte{0xfe}, binary.LittleEndian.AppendUint64(nil, 1<<40)...))
	for name, raw := range map[string][]byte{
		"event in a transaction": transaction(methodNone, huge, len(huge)),
		"compressed query":       event(165, append(append(make([]byte, 13), 0), 0x84, 0xff, 0xff, 0xff, 0xff, 0x78, 0x9c)),
		"columns":                event(19, append(make([]byte, 12), 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)),
		"members":                members,
	} {
		t.Run(name, func(t *testing.T) {
			d := binlog.NewDecoder()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := d.Each(raw, func(*binlog.Event) error { return nil })
			runtime.ReadMemStats(&after)
			if !errors.Is(err, binlog.ErrMalformed) {
				t.Errorf("got %v", err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
				t.Errorf("it took %d bytes for %d", took, len(raw))
			}
		})
	}
}

// tableMap returns a description of a table with one ENUM, and one field of metadata.
func tableMap(id byte, meta []byte, field byte, content []byte) []byte {
	body := []byte{id, 0, 0, 0, 0, 0, 0, 0, 2, 'd', 'b', 0, 1, 't', 0, 1, binlog.TypeString, byte(len(meta))}
	body = append(append(body, meta...), 0)
	return event(19, append(append(body, field, byte(len(content))), content...))
}

// TestHeartbeat reads both forms of a heartbeat, of which the second has places in large files.
func TestHeartbeat(t *testing.T) {
	second := append([]byte{1, 6}, "log.01"...)
	second = append(second, 2, 9, 0xfe, 0, 0, 0, 0, 1, 0, 0, 0, 0)
	for kind, body := range map[byte][]byte{27: []byte("log.01"), 41: second} {
		err := binlog.NewDecoder().Each(event(kind, body), func(e *binlog.Event) error {
			want := binlog.Rotate{File: "log.01"}
			if kind == 41 {
				want.Offset = 1 << 32
			}
			if e.Kind != binlog.HeartbeatEvent || e.Rotate != want {
				t.Errorf("type %d: got %v %+v", kind, e.Kind, e.Rotate)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestUnknown passes over what may be passed over, and nothing else.
func TestUnknown(t *testing.T) {
	raw := event(200, nil)
	err := binlog.NewDecoder().Each(raw, func(*binlog.Event) error { return nil })
	if !errors.Is(err, binlog.ErrUnknown) {
		t.Errorf("got %v", err)
	}
	raw[17] = byte(binlog.Ignorable)
	kinds := []binlog.Kind{}
	err = binlog.NewDecoder().Each(raw, func(e *binlog.Event) error {
		kinds = append(kinds, e.Kind)
		return nil
	})
	if err != nil || !slices.Equal(kinds, []binlog.Kind{binlog.IgnoredEvent}) {
		t.Errorf("got %v, %v", kinds, err)
	}
}

// TestManyTables describes more tables than are kept. Those of the transaction are.
func TestManyTables(t *testing.T) {
	const tables = 10000
	d := binlog.NewDecoder()
	nothing := func(*binlog.Event) error { return nil }
	numbered := func(raw []byte, n int) []byte {
		binary.LittleEndian.PutUint32(raw[19:], uint32(n))
		return raw
	}
	rows := func(n int) []byte {
		return numbered(event(23, []byte{0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 2}), n)
	}
	gtid := event(162, make([]byte, 19))
	for n := range tables {
		if n%100 == 0 {
			if err := d.Each(gtid, nothing); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Each(numbered(tableMap(0, []byte{0xf7, 1}, 99, nil), n), nothing); err != nil {
			t.Fatal(err)
		}
		if err := d.Each(rows(n-n%100), nothing); err != nil { // the first of the transaction
			t.Fatal(err)
		}
	}
	if err := d.Each(rows(0), nothing); !errors.Is(err, binlog.ErrMalformed) {
		t.Errorf("a table of long ago: %v", err)
	}
}
