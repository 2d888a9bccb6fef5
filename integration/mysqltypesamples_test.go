package integration

// mysqlSample is a type of MySQL and MariaDB, with values that are hard to carry.
type mysqlSample struct {
	name string // as SQL
	// only is the server that has it, "" for both.
	only     string
	literals []string // SQL, the same instant in every time zone
	// postgres and sqlite are the columns that one might choose for it there, the best one
	// first. With STRICT behind it, it is in a STRICT table.
	postgres, sqlite []string
	// apart: the two servers do not print it alike, so that it is not tried between them.
	apart bool
	// newer: the oldest MariaDB has it not.
	newer bool
}

// sixtyFour is a SET with all the members that one can have.
const sixtyFour = "set('m1','m2','m3','m4','m5','m6','m7','m8','m9','m10','m11','m12','m13','m14','m15','m16','m17','m18','m19','m20','m21','m22'," +
	"'m23','m24','m25','m26','m27','m28','m29','m30','m31','m32','m33','m34','m35','m36','m37','m38','m39','m40','m41','m42','m43','m44','m45'," +
	"'m46','m47','m48','m49','m50','m51','m52','m53','m54','m55','m56','m57','m58','m59','m60','m61','m62','m63','m64')"

var mysqlSamples = []mysqlSample{
	{name: "tinyint(1)", literals: []string{"0", "1", "2", "-128"}, postgres: []string{"boolean", "smallint"}, sqlite: []string{"INTEGER"}},
	{name: "tinyint unsigned", literals: []string{"255"}, postgres: []string{"smallint"}, sqlite: []string{"INTEGER"}},
	{name: "smallint", literals: []string{"-32768", "32767"}, postgres: []string{"smallint"}, sqlite: []string{"INTEGER"}},
	{name: "smallint unsigned", literals: []string{"65535"}, postgres: []string{"integer", "smallint"}, sqlite: []string{"INTEGER"}},
	{name: "mediumint", literals: []string{"-8388608"}, postgres: []string{"integer"}, sqlite: []string{"INTEGER"}},
	{name: "mediumint unsigned", literals: []string{"16777215"}, postgres: []string{"integer"}, sqlite: []string{"INTEGER"}},
	{name: "int", literals: []string{"-2147483648", "2147483647"}, postgres: []string{"integer"}, sqlite: []string{"INTEGER", "INTEGER STRICT"}},
	{name: "int unsigned", literals: []string{"4294967295"}, postgres: []string{"bigint"}, sqlite: []string{"INTEGER", "INTEGER STRICT"}},
	{name: "int(5) unsigned zerofill", literals: []string{"42"}, postgres: []string{"bigint"}, sqlite: []string{"INTEGER"}},
	{name: "bigint", literals: []string{"-9223372036854775808", "9223372036854775807"}, postgres: []string{"bigint"}, sqlite: []string{"INTEGER", "INTEGER STRICT"}},
	{name: "bigint unsigned", literals: []string{"9223372036854775807", "18446744073709551615"}, postgres: []string{"numeric(20)", "bigint", "text"},
		sqlite: []string{"TEXT", "INTEGER", "INTEGER STRICT"}},
	{name: "decimal(65,30)", literals: []string{"-12345678901234567890123456789012345.123456789012345678901234567890", "0.000000000000000000000000000001", "-0.5"},
		postgres: []string{"numeric(65,30)", "numeric", "text"}, sqlite: []string{"TEXT", "TEXT STRICT", "NUMERIC"}},
	{name: "decimal(10,2)", literals: []string{"19.9", "-99999999.99", "0"}, postgres: []string{"numeric(10,2)", "money", "double precision"},
		sqlite: []string{"TEXT", "REAL", "NUMERIC"}},
	{name: "decimal(10,0)", literals: []string{"9999999999"}, postgres: []string{"numeric(10)", "bigint"}, sqlite: []string{"INTEGER"}},
	{name: "float", literals: []string{"3.4028235e38", "16777215", "0.1234567", "0.1", "'-0'", "1.17549435e-38", "1e-45"}, postgres: []string{"real", "double precision"},
		sqlite: []string{"REAL", "TEXT"}},
	{name: "double", literals: []string{"-1.7976931348623157e308", "'-0'", "5e-324", "0.30000000000000004", "5"}, postgres: []string{"double precision", "real"},
		sqlite: []string{"REAL", "REAL STRICT", "TEXT"}},
	{name: "bit(1)", literals: []string{"b'1'", "b'0'"}, postgres: []string{"boolean", "bit(1)"}, sqlite: []string{"INTEGER"}},
	{name: "bit(9)", literals: []string{"b'101010101'"}, postgres: []string{"integer", "bit(9)"}, sqlite: []string{"INTEGER"}},
	{name: "bit(64)", literals: []string{"~0", "1"}, postgres: []string{"numeric(20)", "bigint"}, sqlite: []string{"TEXT", "INTEGER"}},
	{name: "year", literals: []string{"'0000'", "1901", "2155"}, postgres: []string{"smallint"}, sqlite: []string{"INTEGER"}},
	{name: "date", literals: []string{"'1000-01-01'", "'9999-12-31'", "'0000-00-00'", "'2020-00-15'", "'2020-02-31'"}, postgres: []string{"date", "text"},
		sqlite: []string{"TEXT", "TEXT STRICT", "DATE"}},
	{name: "time(6)", literals: []string{"'23:59:59.999999'", "'00:00:00.1'", "'-00:00:00.000001'", "'-01:00:00'", "'-838:59:59.000000'", "'838:59:59'"},
		postgres: []string{"time", "interval", "text"}, sqlite: []string{"TEXT"}},
	{name: "datetime", literals: []string{"'2024-03-10 02:30:00'", "'0000-00-00 00:00:00'"}, postgres: []string{"timestamp", "timestamptz", "date"}, sqlite: []string{"TEXT", "DATETIME"}},
	{name: "datetime(3)", literals: []string{"'1969-12-31 23:59:59.999'", "'2024-01-01 00:00:00'"}, postgres: []string{"timestamp(3)", "timestamp"}, sqlite: []string{"TEXT"}},
	{name: "datetime(6)", literals: []string{"'9999-12-31 23:59:59.999999'", "'2020-02-31 01:02:03'", "'2020-00-15 10:11:12.5'"}, postgres: []string{"timestamp", "text"}, sqlite: []string{"TEXT"}},
	{name: "timestamp(6) NULL", literals: []string{"FROM_UNIXTIME(1.000001)", "FROM_UNIXTIME(2147483647.999999)", "FROM_UNIXTIME(1710037800)", "FROM_UNIXTIME(1730611800.5)", "0"},
		postgres: []string{"timestamptz", "timestamp", "text"}, sqlite: []string{"TEXT", "TEXT STRICT"}},
	{name: "char(5)", literals: []string{"''", "'ab'", "'ab  '"}, postgres: []string{"varchar(5)", "char(5)"}, sqlite: []string{"TEXT"}},
	{name: "varchar(30)", literals: []string{"''", "'trail   '", `"a\nb\\'"`, "'ü€😀'", "'007'", "' 1 '", `"a\0b"`}, postgres: []string{"varchar(30)", "text"}, sqlite: []string{"TEXT", "TEXT STRICT"}},
	{name: "varchar(30) character set latin1", literals: []string{"'naïve €ÿ'", `_latin1 x'81'`}, postgres: []string{"text"}, sqlite: []string{"TEXT"}},
	{name: "varchar(30) character set gbk", literals: []string{"'汉字'"}, postgres: []string{"text"}, sqlite: []string{"TEXT"}},
	{name: "varchar(30) character set utf16", literals: []string{"'ü€😀'", "''"}, postgres: []string{"text"}, sqlite: []string{"TEXT"}},
	{name: "text", literals: []string{"'NULL'", `'\\N'`, "repeat('text ', 13000)"}, postgres: []string{"text"}, sqlite: []string{"TEXT"}},
	{name: "longtext", literals: []string{"repeat('large ', 20000)"}, postgres: []string{"text"}, sqlite: []string{"TEXT"}},
	{name: "binary(8)", literals: []string{"x'0102000000000000'", "x''", "x'2020'"}, postgres: []string{"bytea"}, sqlite: []string{"BLOB", "BLOB STRICT"}},
	{name: "varbinary(10)", literals: []string{"x'00ff275c00'", "x''"}, postgres: []string{"bytea", "text"}, sqlite: []string{"BLOB", "TEXT"}},
	{name: "blob", literals: []string{"x'00ff5c27'", "repeat(x'ff00', 30000)"}, postgres: []string{"bytea"}, sqlite: []string{"BLOB"}},
	{name: `enum('a','b''x','ü','with\\slash','one,two')`, literals: []string{"'b''x'", "'ü'", `'with\\slash'`, "'one,two'", "'nonsense'"},
		postgres: []string{"text", "public.letter"}, sqlite: []string{"TEXT"}},
	{name: "enum('é','n') character set latin1", literals: []string{"'é'"}, postgres: []string{"text"}, sqlite: []string{"TEXT"}},
	{name: "set('r','g''','b')", literals: []string{"'r,b'", "''", "'g'''", "7"}, postgres: []string{"text", "text[]"}, sqlite: []string{"TEXT"}},
	{name: sixtyFour, literals: []string{"~0", "'m64'"}, postgres: []string{"text"}, sqlite: []string{"TEXT"}},
	{name: "json", apart: true, literals: []string{`'[1, 2.0, 1e100, 18446744073709551615, -1, null]'`, "'null'", `'"str"'`, `'{"": 3, "a": {"b": []}}'`, `'{"dup": 1, "dup": 2}'`,
		`json_set('{}', '$.p', 9.99)`, "'1.50'", `'"ü😀\\u0001"'`, `'"\\u0000"'`, `'{"b":1,"a":2}'`}, postgres: []string{"json", "jsonb", "text"}, sqlite: []string{"TEXT", "TEXT STRICT"}},
	{name: "json", literals: []string{`'[1, 2.0, 18446744073709551615, -1, null]'`, "'null'", `'"str"'`, `'{"": 3, "a": {"b": []}}'`, `'{"b": 1, "aa": "ü😀"}'`}},
	{name: "json", only: "mysql", literals: []string{"json_object('d', cast('2020-01-01' as date), 't', cast('12:30:00.5' as time(6)))", "json_array(cast(x'00ff' as binary))"}},
	{name: "point", literals: []string{"st_geomfromtext('POINT(1 2)')", "x'E6100000010100000000000000000024400000000000003440'"}, postgres: []string{"bytea"}, sqlite: []string{"BLOB"}},
	{name: "geometry", literals: []string{"st_geomfromtext('GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))')"}, postgres: []string{"bytea"}, sqlite: []string{"BLOB"}},
	{name: "vector(3)", newer: true, literals: []string{"x'0000803F00002040000040C0'"}, postgres: []string{"bytea"}, sqlite: []string{"BLOB"}},
	{name: "uuid", only: "mariadb", literals: []string{"'0B8FD2FF-3A44-4C2F-9F8D-5B1F0C1B7A11'", "'00000000-0000-0000-0000-000000000000'", "'00000000-0000-0000-0000-0000000000ff'"},
		postgres: []string{"uuid", "text"}, sqlite: []string{"TEXT"}},
	{name: "inet6", only: "mariadb", literals: []string{"'::'", "'2001:db8::ff00:42:8329'", "'::ffff:1.2.3.4'"}, postgres: []string{"inet", "text"}, sqlite: []string{"TEXT"}},
	{name: "inet4", only: "mariadb", literals: []string{"'0.0.0.0'", "'10.0.0.1'"}, postgres: []string{"inet", "text"}, sqlite: []string{"TEXT"}},
}

// letterType is the enum of the samples in PostgreSQL.
const letterType = `CREATE TYPE public.letter AS ENUM ('a', 'b''x', 'ü', 'with\slash', 'one,two');`

// mysqlColumns are the columns that one might choose for the samples of PostgreSQL, by their
// names; for others it is asLongtext. What only MariaDB has, MySQL leaves out.
var mysqlColumns = map[string][]string{
	"boolean":          {"tinyint(1)", "bit(1)", "varchar(5)"},
	"smallint":         {"smallint"},
	"integer":          {"int"},
	"bigint":           {"bigint"},
	"oid":              {"int unsigned"},
	"public.percent":   {"int"},
	"real":             {"float", "double"},
	"double precision": {"double", "float"},
	"numeric":          {"decimal(65,30)", "longtext"},
	"numeric(10,2)":    {"decimal(10,2)", "decimal(10,1)", "double"},
	"numeric(3,-2)":    {"decimal(5,0)", "int"},
	"text":             {"longtext", "longtext character set latin1", "longblob"},
	"varchar(10)":      {"varchar(10)", "varchar(7)"},
	"char(5)":          {"varchar(5)", "char(5)"},
	`"char"`:           {"varchar(4)"},
	"bytea":            {"longblob", "binary(4)"},
	"date":             {"date", "varchar(20)"},
	"time":             {"time(6)", "time"},
	"timetz":           {"varchar(30)"},
	"timestamp":        {"datetime(6)", "datetime", "varchar(40)"},
	"timestamptz":      {"timestamp(6) NULL", "varchar(40)", "datetime(6)"},
	"json":             {"json", "longtext"},
	"jsonb":            {"json", "longtext"},
	"uuid":             {"uuid", "char(36)"},
	"xid8":             {"bigint unsigned"},
	"inet":             {"varchar(50)", "inet6"},
	"public.mood":      {"longtext", "enum('sad','very happy, ''q''')"},
}

var asLongtext = []string{"longtext"}

// mysqlOnly says of types of mysqlColumns that only one server has, which.
var mysqlOnly = map[string]string{"uuid": "mariadb", "inet6": "mariadb"}

// mysqlStranger is values that SQLite columns hold, and the columns for them in MySQL.
type mysqlStranger struct {
	column   string
	literals []string
	columns  []string
}

var mysqlStrangers = []mysqlStranger{
	{"INTEGER", []string{"0", "1", "2", "-1", "9223372036854775807", "1.5", "'abc'", "x'00'"},
		[]string{"bigint", "int", "tinyint(1)", "bigint unsigned", "bit(1)", "decimal(20,2)", "double", "year", "varchar(30)"}},
	{"REAL", []string{"0.1", "5.0", "-0.0", "5e-324", "1.7976931348623157e308", "1e400", "0.30000000000000004", "1.005", "'x'"},
		[]string{"double", "float", "decimal(20,2)", "bigint", "varchar(30)"}},
	{"TEXT", []string{"''", "'abc'", "' 1 '", "'ends in  '", "'ü€😀'", "'a' || char(0) || 'b'", "CAST(x'ff' AS TEXT)", "'too long for it'", "'many blanks     '", "x'6162'"},
		[]string{"longtext", "varchar(10)", "char(10)", "varchar(20) character set latin1", "enum('abc','b')", "set('abc','b')", "longblob"}},
	{"TEXT", []string{"'2024-01-02'", "'2024-02-30'", "'0000-00-00'", "'2024-1-2'", "'2024-01-02 00:00:00'", "'0044-03-15 BC'", "'infinity'"}, []string{"date"}},
	{"TEXT", []string{"'2024-01-02 03:04:05'", "'2024-01-02 03:04:05.5'", "'2024-01-02 03:04:05.9999999'", "'2024-01-02T03:04:05'", "'2024-01-02 03:04:05Z'", "'0000-00-00 00:00:00'",
		"'9999-12-31 23:59:59.9'", "'10000-01-01 00:00:00'"}, []string{"datetime(6)", "datetime"}},
	{"TEXT", []string{"'2024-01-02 03:04:05Z'", "'2024-01-02 03:04:05.5Z'", "'2024-01-02 03:04:05'", "'1970-01-01 00:00:00Z'", "'2038-01-19 03:14:07Z'", "'2106-02-07 06:28:16Z'", "'0000-00-00 00:00:00Z'"},
		[]string{"timestamp(6) NULL", "timestamp NULL"}},
	{"TEXT", []string{"'12:30:00'", "'12:30:00.5'", "'24:00:00'", "'-00:00:01'", "'838:59:59'", "'12:30'"}, []string{"time(6)", "time"}},
	{"TEXT", []string{"'1.50'", "'-12345678901234567890.123'", "'1e3'", "'NaN'", "'.5'", "'100000000000000000000000000000000000'"}, []string{"decimal(65,30)", "decimal(30,3)", "decimal(10,2)"}},
	{"TEXT", []string{`'{"b": 1, "a":2}'`, `'{"a": 1}'`, "'{no json'", "'[1.0,1e2]'", "'1'"}, []string{"json"}},
	{"TEXT", []string{"'0b8fd2ff-3a44-4c2f-9f8d-5b1f0c1b7a11'", "'0B8FD2FF-3A44-4C2F-9F8D-5B1F0C1B7A11'", "'00FF'"}, []string{"uuid", "char(36)"}},
	{"TEXT", []string{"'::ffff:1.2.3.4'", "'2001:DB8::1'", "'10.0.0.1'"}, []string{"inet6"}},
	{"BLOB", []string{"x''", "x'00ff'", "x'00ff000000'", "'text'", "1"}, []string{"longblob", "varbinary(4)", "binary(4)", "longtext"}},
}
