package integration

// sample is a type of PostgreSQL, with values that are hard to carry.
type sample struct {
	name string // as SQL
	// what is what people call a type that only the samples have.
	what string
	// extension has to be there for it.
	extension string
	literals  []string // SQL, without the cast
	// columns are the SQLite columns that one might choose for it, the best one first. With
	// STRICT behind it, it is in a STRICT table.
	columns []string
}

// sampleTypes makes the types of the samples that are not built in.
const sampleTypes = `
CREATE TYPE public.mood AS ENUM ('sad', 'very happy, ''q''');
CREATE TYPE public.triple AS (a int, b text, c numeric);
CREATE DOMAIN public.percent AS int CHECK (value BETWEEN 0 AND 100);
`

var (
	asText    = []string{"TEXT", "TEXT STRICT"}
	asInteger = []string{"INTEGER", "INTEGER STRICT", "TEXT"}
)

var samples = []sample{
	{name: "boolean", literals: []string{`'t'`, `'f'`}, columns: []string{"INTEGER", "INTEGER STRICT", "BOOLEAN", "TEXT"}},
	{name: "smallint", literals: []string{`'-32768'`, `'32767'`}, columns: asInteger},
	{name: "integer", literals: []string{`'-2147483648'`, `'0'`}, columns: asInteger},
	{name: "bigint", literals: []string{`'-9223372036854775808'`, `'9223372036854775807'`}, columns: append(asInteger, "REAL")},
	{name: "oid", literals: []string{`'4294967295'`}, columns: asInteger},
	{name: "public.percent", what: "a domain, as what it is over", literals: []string{`'100'`}, columns: asInteger},
	{name: "real", literals: []string{`'0.1'`, `'-0'`, `'1.1754944e-38'`, `'3.4028235e38'`, `'NaN'`, `'Infinity'`},
		columns: []string{"REAL", "REAL STRICT", "TEXT"}},
	{name: "double precision", literals: []string{`'0.30000000000000004'`, `'-0'`, `'5e-324'`, `'1.7976931348623157e308'`, `'5'`, `'NaN'`, `'-Infinity'`},
		columns: []string{"REAL", "REAL STRICT", "TEXT"}},
	{name: "numeric", literals: []string{`'1.10'`, `'-0.00'`, `'NaN'`, `'Infinity'`, `'-Infinity'`, `'1e-16383'`, `'1e131071'`, `'12345678901234567890.123456789'`},
		columns: []string{"TEXT", "TEXT STRICT", "NUMERIC"}},
	{name: "numeric(10,2)", literals: []string{`'19.9'`, `'-99999999.99'`}, columns: []string{"TEXT", "TEXT STRICT", "NUMERIC", "REAL", "REAL STRICT"}},
	{name: "numeric(3,-2)", literals: []string{`'12300'`}, columns: []string{"TEXT", "TEXT STRICT", "INTEGER"}},
	{name: "money", literals: []string{`'92233720368547758.07'`, `'-0.01'`}, columns: asText},
	{name: "text", literals: []string{`''`, `E'\\N'`, `'NULL'`, `E'tab\tline\nreturn\rback\\slash\x01'`, `'emoji 🙂 é'`, `'007'`, `' 1 '`, `repeat('large ', 20000)`},
		columns: []string{"TEXT", "TEXT STRICT", "BLOB", "INTEGER"}},
	{name: "varchar(10)", literals: []string{`'ends in  '`}, columns: asText},
	{name: "char(5)", literals: []string{`''`, `'ab'`}, columns: asText},
	{name: `"char"`, literals: []string{`'\377'`, `'a'`, `''`}, columns: asText},
	{name: "bytea", literals: []string{`'\x'`, `'\x00ff5c27'`}, columns: []string{"BLOB", "BLOB STRICT", "TEXT"}},
	{name: "date", literals: []string{`'2024-02-29'`, `'0044-03-15 BC'`, `'5874897-12-31'`, `'infinity'`, `'-infinity'`}, columns: []string{"TEXT", "TEXT STRICT", "DATE"}},
	{name: "time", literals: []string{`'23:59:59.999999'`, `'24:00:00'`, `'00:00:00.1'`}, columns: asText},
	{name: "timetz", literals: []string{`'24:00:00-15:59:59'`, `'12:00:00+05:30'`}, columns: asText},
	{name: "timestamp", literals: []string{`'2024-12-31 23:59:59.5'`, `'infinity'`, `'0044-03-15 12:00:00 BC'`, `'294276-12-31 23:59:59.999999'`}, columns: []string{"TEXT", "TEXT STRICT", "DATETIME"}},
	{name: "timestamptz", literals: []string{`'2024-11-03 01:30:00-04'`, `'infinity'`, `'-infinity'`, `'4713-01-02 00:00:00Z BC'`, `'294276-12-31 23:59:59.999999Z'`,
		`'2024-11-03 01:30:00-05'`, `'1883-11-18 12:03:57-04:56:02'`}, columns: asText},
	{name: "interval", literals: []string{`'-1 year -2 mons +3 days -04:05:06'`, `'P178000000Y'`, `'1 day 24:00:00'`, `'0'`, `'1 mon'`, `'30 days'`}, columns: asText},
	{name: "json", literals: []string{`'{"b":1, "a" :  1.0, "a":2}'`, `'1e400'`, `'"\u0000"'`}, columns: asText},
	{name: "jsonb", literals: []string{`'12345678901234567890.123456789'`, `'{"b":1, "a":1.0}'`, `'1e400'`}, columns: asText},
	{name: "uuid", literals: []string{`'00000000-0000-0000-0000-0000000000ff'`}, columns: asText},
	{name: "integer[]", literals: []string{`'{{1,2},{3,4}}'`, `'[0:2]={1,2,3}'`, `'{}'`, `'{NULL,1}'`}, columns: asText},
	{name: "text[]", literals: []string{`'{"a,b",NULL,"NULL",""}'`, `E'{"q\\"u\\\\o"}'`}, columns: asText},
	{name: "public.triple", what: "composite types", literals: []string{`E'(1,"q""x\\\\y",)'`}, columns: asText},
	{name: "public.mood", what: "enums", literals: []string{`'very happy, ''q'''`}, columns: asText},
	{name: "int4range", literals: []string{`'empty'`, `'(,)'`, `'[1,5)'`}, columns: asText},
	{name: "tstzrange", literals: []string{`'["2024-01-01 00:00:00+05:30",infinity)'`}, columns: asText},
	{name: "nummultirange", literals: []string{`'{}'`, `'{[1.50,2),(3,)}'`}, columns: asText},
	{name: "varbit", literals: []string{`''`, `'0101'`}, columns: asText},
	{name: "inet", literals: []string{`'::ffff:1.2.3.4/96'`, `'10.0.0.1'`}, columns: asText},
	{name: "macaddr", literals: []string{`'08:00:2b:01:02:03'`}, columns: asText},
	{name: "point", literals: []string{`'(NaN,Infinity)'`, `'(0.1,-0)'`}, columns: asText},
	{name: "xml", literals: []string{`'text <b/> fragment'`}, columns: asText},
	{name: "tsvector", literals: []string{`$$'it''s':1A 'q\\r':2$$`}, columns: asText},
	{name: "xid8", literals: []string{`'18446744073709551615'`}, columns: []string{"TEXT", "TEXT STRICT", "INTEGER"}},
	{name: "pg_lsn", literals: []string{`'FFFFFFFF/FFFFFFFF'`}, columns: asText},
	{name: "regclass", literals: []string{`'pg_class'`, `'public.other'`}, columns: asText},
	{name: "public.hstore", what: "`hstore`", extension: "hstore", literals: []string{`'"a b"=>NULL, "q"=>"\"x"'`}, columns: asText},
}
