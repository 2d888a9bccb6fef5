package binlog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
)

// torture returns SQL with the lists that are too long to write.
func torture(sql string) string {
	var many, all []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf("'m%d'", i))
	}
	for i := range 64 {
		all = append(all, fmt.Sprintf("m%d", i))
	}
	return strings.NewReplacer("MANY", strings.Join(many, ","), "SIXTYFOURALL", "'"+strings.Join(all, ",")+"'",
		"SIXTYFOUR", strings.Join(many[:64], ",")).Replace(sql)
}

// fill makes the tables and writes to them.
func (s *site) fill(t *testing.T, variant ...string) [][]byte {
	t.Helper()
	c := s.connect(t, append(append([]string{}, application...), variant...)...)
	return s.logged(t, func() {
		do(t, c, torture(tortureTable))
		for _, sql := range tortureRows {
			do(t, c, torture(sql))
		}
		own := mysqlRows
		if s.MariaDB {
			own = mariaRows
			do(t, c, mariaTable)
		} else {
			do(t, c, mysqlTable)
		}
		for _, sql := range own {
			do(t, c, sql)
		}
	})
}

const mysqlTable = `create table own(id int primary key, j json, v vector(3), g geometry srid 4326, k int, index ((k + 1)), index ((cast(j->'$.multi' as unsigned array))))`

var mysqlRows = []string{
	`insert into own(id,v,g,k) values (1,to_vector('[1,2.5,-3]'),st_geomfromtext('POINT(1 2)',4326),5),(2,to_vector('[0]'),null,null)`,
	`insert into own(id,j) values (10,json_object('d',cast('2024-01-02 03:04:05.678' as datetime(3)),'dec',cast(1.10 as decimal(10,2)),'neg',cast(-0.05 as decimal(10,2)),
 't',cast('-10:11:12' as time),'t6',cast('110:11:12.5' as time(6)),'da',cast('2024-01-02' as date),'b',cast(x'00ff' as binary),'bit',b'101','f',cast(1e0 as double),'y',cast('2024' as year),
 'big',cast(repeat(x'00ff',100) as binary),'g',st_geomfromtext('POINT(1 2)')))`,
	`insert into own(id,j) values (11,'{"p":1.5,"multi":[1,2,3]}'),(12,cast(12345678901234567890123456789012345.123456789012345678901234567890 as json)),
 (13,cast(cast('12:13:14' as time) as json)),(14,cast(1.50 as json)),(15,json_array(cast(18446744073709551615 as unsigned),-9223372036854775808,32768,-32769,2147483648,65536))`,
	`update own set j = json_set(j,'$.p',9.99,'$.q',1.50) where id = 11`,
	`insert into own(id,j) values (20,'[0.1,1e-7,123456789.123456789,1e14,123456789012345,1e15,1e16,1e21,9007199254740993,1.7976931348623157e308,5e-324,-1.5e-10,1.23456789012345678e-14,1.5e-13,1.2345e-15,0.000001,100,1e2,-0.0,0.0]')`,
	`insert into own(id,j) select 21, json_arrayagg(json_object(concat('k', n), repeat('long text ', n), 'n', n)) from (with recursive q(n) as (select 1 union all select n + 1 from q where n < 200) select n from q) as q`,
	`insert into own(id,j) select 22, json_objectagg(concat(repeat('k', n), n), n * 1000) from (with recursive q(n) as (select 1 union all select n + 1 from q where n < 300) select n from q) as q`,
	`insert into own(id,j) values (23,concat(repeat('[', 100), repeat(']', 100))),(24,concat(repeat('{"a":', 99), '1', repeat('}', 99))),(25,json_quote(repeat('x', 127))),(26,json_quote(repeat('x', 128))),(27,json_quote(repeat('x',70000)))`,
	`insert into own(id,j) values (28,json_array(json_array(), json_object(), null, true, false, '', repeat('y', 20000)))`,
}

const mariaTable = `create table own(id int primary key, u uuid, i6 inet6, i4 inet4, vcc varchar(500) compressed, vcs varchar(100) compressed, tc text compressed, bc blob compressed,
 lc varchar(100) compressed character set latin1, js json, ts timestamp(3) null)`

var mariaRows = []string{
	`insert into own values (1,'123e4567-e89b-12d3-a456-426655440000','2001:db8::ff00:42:8329','10.0.0.0','plain','short','tplain',x'00ff','é','{"a": 1.50}','2038-01-19 03:14:07.5'),
 (2,'00000000-0000-0000-0000-000000000000','::','0.0.0.0',repeat('z',400),repeat('z',100),repeat('y',4000),repeat(x'00',70000),repeat('é',100),'[]',null),
 (3,'ffffffff-ffff-ffff-ffff-ffffffffffff','::ffff:1.2.3.4','255.255.255.255','','','','','','"x"',null),
 (4,'017f22e2-79b0-7cc3-98c4-dc0c0c07398f','::1.2.3.4','127.0.0.1',repeat('ü',250),'a','b','c','d','null',null),
 (5,'1ec9414c-232a-6b00-b3c8-9e6bdeced846','fe80::1','1.2.3.4',null,null,null,null,null,null,null),
 (6,'919108f7-52d1-4320-9bac-f847db4148a8','1:0:2:0:0:3:0:0','1.2.3.4',null,null,null,null,null,null,null)`,
	`set statement column_compression_zlib_wrap = 1 for insert into own(id,vcc,tc,bc) values (7,repeat('w',300),repeat('wrapped',100),repeat(x'01',500))`,
	`update own set vcc = concat(vcc, 'more'), u = '00112233-4455-1677-8899-aabbccddee00' where id < 4`,
}

// TestValues compares what the log says of every type with what the tables say, however the
// server writes its log.
func TestValues(t *testing.T) {
	variants := map[string][]map[string]string{
		"mysql": {
			{},
			{"binlog_row_metadata": "MINIMAL"},
			{"binlog_checksum": "NONE"},
		},
		"mariadb": {
			{},
			{"binlog_row_metadata": "NO_LOG"},
			{"binlog_row_metadata": "MINIMAL"},
			{"log_bin_compress": "1", "log_bin_compress_min_len": "10"},
			{"mysql56_temporal_format": "0"},
			{"binlog_checksum": "NONE"},
		},
	}
	onServers(t, func(t *testing.T, s *site) {
		engine, _, _ := strings.Cut(s.name, "-")
		for _, settings := range variants[engine] {
			name := "usual"
			for k, v := range settings {
				name = k + "=" + v
			}
			t.Run(name, func(t *testing.T) {
				for k, v := range settings {
					s.global(t, k, v)
				}
				s.do(t, "DROP TABLE IF EXISTS ty, own")
				events := s.fill(t)
				s.same(t, events)
				checkVariant(t, name, events)
				if !strings.Contains(name, "checksum") && !strings.Contains(name, "MINIMAL") { // like others
					s.save(t, "values-"+strings.NewReplacer("=", "-", "_", "-").Replace(name), events)
				}
			})
		}
		if !s.MariaDB {
			t.Run("compressed", func(t *testing.T) {
				s.do(t, "DROP TABLE IF EXISTS ty, own")
				events := s.fill(t, "binlog_transaction_compression = 1")
				s.same(t, events)
				checkVariant(t, "compressed", events)
				s.save(t, "values-compressed", events)
			})
		}
	})
}

// checkVariant checks that a variant of the log is one: that it has what others do not.
func checkVariant(t *testing.T, name string, events [][]byte) {
	t.Helper()
	raw, types, created := map[byte]int{}, map[byte]int{}, false
	for _, e := range events {
		raw[e[4]]++
	}
	named, signed, inner := false, false, false
	decodeAll(t, events, func(e *binlog.Event) error {
		if e.Kind == binlog.QueryEvent {
			created = created || strings.HasPrefix(string(e.Query.Text), "CREATE TABLE ty(")
		}
		inner = inner || e.Inner
		if e.Kind == binlog.TableMapEvent {
			for _, c := range e.Table.Columns {
				types[c.Type]++
				named, signed = named || c.Name != "", signed || c.SignKnown
			}
		}
		return nil
	})
	const queryCompressed, writeRowsCompressed = 165, 166
	old := types[binlog.TypeTime] > 0 && types[binlog.TypeDatetime] > 0 && types[binlog.TypeTimestamp] > 0
	compressed := raw[queryCompressed] > 0 && raw[writeRowsCompressed] > 0
	for _, check := range []struct {
		what      string
		is, wants bool
	}{
		{"the statement that made the table", created, true},
		{"names", named, !strings.HasPrefix(name, "binlog_row_metadata")},
		{"signs", signed, !strings.HasSuffix(name, "NO_LOG")},
		{"compressed transactions", inner, name == "compressed"},
		{"compressed events", compressed, strings.HasPrefix(name, "log_bin_compress")},
		{"old types of time", old, strings.HasPrefix(name, "mysql56")},
	} {
		if check.is != check.wants {
			t.Errorf("the log has %s: %v", check.what, check.is)
		}
	}
}

// TestNewTypes compares what newer releases of MariaDB have: vectors, and instants up to 2106.
func TestNewTypes(t *testing.T) {
	onMariaDB(t, func(t *testing.T, s *site) {
		if s.Version < 110700 {
			return
		}
		for _, format := range []string{"1", "0"} {
			s.global(t, "mysql56_temporal_format", format)
			s.do(t, "DROP TABLE IF EXISTS n")
			s.same(t, s.logged(t, func() {
				s.do(t, "CREATE TABLE n (id int PRIMARY KEY, v vector(3) NOT NULL, ts timestamp NULL, ts3 timestamp(3) NULL)")
				s.do(t, "INSERT INTO n VALUES (1, vec_fromtext('[1,2.5,-3]'), '2106-02-07 06:28:15', '2106-02-07 06:28:15.999'), (2, vec_fromtext('[0,0,0]'), '2038-01-19 03:14:08', NULL)")
			}))
		}
	})
}

// TestImpliedJSON reads documents that nobody wrote: those of a column that was added to rows.
func TestImpliedJSON(t *testing.T) {
	onMySQL(t, func(t *testing.T, s *site) {
		s.do(t, "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); SET sql_mode = ''; ALTER TABLE t ADD j json NOT NULL")
		before := s.looked(t, s.tables(t)["t"])
		events := s.logged(t, func() { s.do(t, "DELETE FROM t") })
		table := s.tables(t)["t"]
		seen := false
		decodeAll(t, events, func(e *binlog.Event) error {
			if e.Kind != binlog.RowsEvent {
				return nil
			}
			if _, err := e.Rows.Next(); err != nil {
				return err
			}
			row, err := streamed(e.Table, table, e.Rows.Before, asIs)
			if seen = true; !row.Equal(before[0]) {
				t.Errorf("the log has %v, the table had %v", row, before[0])
			}
			return err
		})
		if !seen {
			t.Error("the log has no row")
		}
	})
}
