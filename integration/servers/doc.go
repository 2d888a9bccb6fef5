// Package servers runs real database servers for tests: it finds their programs on this
// machine or fetches them, and starts private instances that nobody else uses and that end
// with the test process. A package of tests has one pool:
//
//	var pool servers.Pool
//
//	func TestMain(m *testing.M) { os.Exit(pool.Main(m)) }
//
//	func TestX(t *testing.T) {
//		for _, version := range servers.Versions() {
//			db := pool.Postgres(t, version).Database(t)
//			// db.DSN
//		}
//	}
//
// MariaDB and MySQL are had in the same way, with Pool.MariaDB, MariaDBVersions, Pool.MySQL and
// MySQLVersions. A test that stops or kills a server takes one of its own with Pool.Private,
// Pool.PrivateMariaDB or Pool.PrivateMySQL. Pool.Standby gives such a server a standby, which
// Server.Promote has take over. A private server with Options.Clock has a clock of its own, which
// Server.SetClock sets.
//
// Programs that are not installed are Debian's: its packages, with all that they need, are
// downloaded with apt-get from the mirror that this machine uses, verified as apt does, and
// unpacked in a folder of this package. No root is needed and nothing is installed. Fetched
// programs run on the C library that came with them. Marmot, which Debian lacks, is built from its
// sources by the Go that is here.
//
// The environment:
//
//	CDCSYNC_TEST_POSTGRES           a server to use instead, as a connection string of a superuser
//	CDCSYNC_TEST_POSTGRES_VERSIONS  what Versions says, such as 15,17,18
//	CDCSYNC_TEST_MARIADB            a server to use instead, as user:password@tcp(host:port)/database
//	CDCSYNC_TEST_MARIADB_VERSIONS   what MariaDBVersions says, such as 10.11,11.8
//	CDCSYNC_TEST_MYSQL              as with MariaDB
//	CDCSYNC_TEST_MYSQL_VERSIONS     what MySQLVersions says, such as 9
//	CDCSYNC_TEST_CHROMIUM           the program of a Chromium to use instead of Debian's
//	CDCSYNC_TEST_PROMETHEUS         the folder of prometheus and promtool to use instead of Debian's
//	CDCSYNC_TEST_DIR                where everything is kept, instead of /var/tmp/cdcsync-test-UID;
//	                                it may be removed whenever no test runs
//	CDCSYNC_TEST_DATA               where the data of the servers is, instead of instances in there:
//	                                in memory (/dev/shm/…), where files are made faster
package servers
