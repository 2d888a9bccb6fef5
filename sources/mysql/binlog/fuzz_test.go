package binlog_test

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
	store "github.com/cdcsync/cdcsync/stores/mysql"
)

// typesOf returns types that a column of the log may have in the database.
func typesOf(c *binlog.Column) []*store.Type {
	names := map[byte][]string{
		binlog.TypeTiny: {"tinyint"}, binlog.TypeShort: {"smallint"}, binlog.TypeInt24: {"mediumint"}, binlog.TypeLong: {"int"},
		binlog.TypeLongLong: {"bigint"}, binlog.TypeYear: {"year"}, binlog.TypeFloat: {"float"}, binlog.TypeDouble: {"double"},
		binlog.TypeNewDecimal: {"decimal"}, binlog.TypeBit: {"bit"}, binlog.TypeEnum: {"enum"}, binlog.TypeSet: {"set"},
		binlog.TypeDate: {"date"}, binlog.TypeTime: {"time"}, binlog.TypeTime2: {"time"}, binlog.TypeDatetime: {"datetime"},
		binlog.TypeDatetime2: {"datetime"}, binlog.TypeTimestamp: {"timestamp"}, binlog.TypeTimestamp2: {"timestamp"},
		binlog.TypeJSON: {"json"}, binlog.TypeVector: {"vector"}, binlog.TypeGeometry: {"point"},
		binlog.TypeString: {"char", "binary", "uuid", "inet6", "inet4"},
	}[c.Type]
	if names == nil {
		names = []string{"varchar", "varbinary"}
	}
	var types []*store.Type
	for _, name := range names {
		t := &store.Type{Name: name, Unsigned: c.Unsigned, Precision: int(c.Meta >> 8), Scale: int(c.Meta & 0xff), Members: []string{"a", "b", "c"}}
		if name == "char" || name == "varchar" {
			t.Charset = "latin1"
		}
		types = append(types, t)
	}
	return types
}

func asIs(_ string, b []byte) (string, error) { return string(b), nil }

// decodeValues decodes all that an event has, and returns how many values there were.
func decodeValues(e *binlog.Event) (values int, err error) {
	if e.Kind != binlog.RowsEvent {
		return 0, nil
	}
	for {
		more, err := e.Rows.Next()
		if err != nil || !more {
			return values, err
		}
		for _, image := range [][]binlog.Cell{e.Rows.Before, e.Rows.After} {
			for i, cell := range image {
				if cell.State != binlog.Present {
					continue
				}
				column := &e.Rows.Table.Columns[i]
				for _, t := range typesOf(column) {
					if _, err := column.Value(t, cell.Data, asIs); err == nil {
						values++
					}
				}
			}
		}
	}
}

// sealed gives an event the checksum that it should have.
func sealed(raw []byte) []byte {
	if len(raw) < 23 {
		return raw
	}
	raw = slices.Clone(raw)
	n := len(raw) - 4
	binary.LittleEndian.PutUint32(raw[n:], crc32.ChecksumIEEE(raw[:n]))
	return raw
}

// FuzzEach decodes logs that are not whole. It begins with short ones: long ones are tried a few
// times in a minute.
func FuzzEach(f *testing.F) {
	for _, file := range recorded(f, "*.events") {
		log := slices.Concat(file.events...)
		f.Add(log[:min(len(log), 3<<10)])
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		d := binlog.NewDecoder()
		for _, raw := range cut(log) {
			_ = d.Each(sealed(raw), func(e *binlog.Event) error {
				_, err := decodeValues(e)
				return err
			})
		}
	})
}

// FuzzEvent decodes one event that is not whole, after those that describe its tables.
func FuzzEvent(f *testing.F) {
	files := recorded(f, "*.events")
	for i, file := range files {
		for at, raw := range file.events {
			if at%7 == 0 {
				f.Add(i, at, raw)
			}
		}
	}
	f.Fuzz(func(t *testing.T, i, at int, raw []byte) {
		if i < 0 || i >= len(files) || at < 0 || at > len(files[i].events) {
			return
		}
		d := binlog.NewDecoder()
		for _, before := range files[i].events[:at] {
			if err := d.Each(before, func(*binlog.Event) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if len(raw) >= 19 {
			raw = slices.Clone(raw)
			binary.LittleEndian.PutUint32(raw[9:], uint32(len(raw)))
		}
		_ = d.Each(sealed(raw), func(e *binlog.Event) error {
			_, err := decodeValues(e)
			return err
		})
	})
}

// documents returns the JSON documents of the recorded logs of MySQL.
func documents(t testing.TB) [][]byte {
	var all [][]byte
	for _, file := range recorded(t, "mysql-*.events") {
		d := binlog.NewDecoder()
		for _, raw := range file.events {
			err := d.Each(raw, func(e *binlog.Event) error {
				if e.Kind != binlog.RowsEvent {
					return nil
				}
				for {
					more, err := e.Rows.Next()
					if err != nil || !more {
						return err
					}
					for i, cell := range e.Rows.After {
						if e.Table.Columns[i].Type == binlog.TypeJSON && cell.State == binlog.Present {
							all = append(all, slices.Clone(cell.Data))
						}
					}
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(all) == 0 {
		t.Fatal("there are no documents in testdata")
	}
	return all
}

// FuzzJSON prints documents that are not whole. None may be printed as more than a bounded
// multiple of its own size.
func FuzzJSON(f *testing.F) {
	for _, document := range documents(f) {
		f.Add(document)
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		column := binlog.JSONColumn()
		v, err := column.Value(&store.Type{Name: "json"}, document, asIs)
		if err == nil && len(v.Str()) > 64+32*len(document) {
			t.Errorf("%d bytes were printed as %d", len(document), len(v.Str()))
		}
	})
}

// FuzzDecimal prints decimals that are none.
func FuzzDecimal(f *testing.F) {
	f.Add(65, 30, []byte{0x7e, 0xf2, 0x04, 0xc7, 0x2d})
	f.Add(10, 2, []byte{0x80, 0, 0, 1, 50})
	f.Add(2, 2, []byte{0xff})
	f.Fuzz(func(t *testing.T, precision, scale int, data []byte) {
		text, err := binlog.AppendDecimal(nil, precision, scale, data)
		if err == nil && (len(text) == 0 || len(text) > precision+3) {
			t.Errorf("decimal(%d,%d) %x is printed as %q", precision, scale, data, text)
		}
	})
}
