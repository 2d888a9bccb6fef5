package servers

import (
	"context"
	"os/exec"
	"syscall"
)

// engine is a kind of database server: all that is done differently for it.
type engine interface {
	traits() traits
	// programs says what a version consists of: where it is when it is installed, and what
	// of Debian has it, whose suite is empty if none has. It fails for what is no version.
	programs(version string) (bundle, error)
	// check tells whether programs are of a version. They are in the folder bin.
	check(ctx context.Context, bin, version string) error
	// initialiser returns the program that makes a data directory, and its arguments but for
	// the one that says where.
	initialiser(i *Installation) (string, []string)
	// renew makes a copied data directory one of its own, which no other server is taken for.
	renew(ctx context.Context, i *Installation, dir string) error
	// configure writes the settings of a server that has a data directory, and returns the
	// arguments that it is run with.
	configure(s *Server, o Options) ([]string, error)
	// standby returns a server that is prepared to follow another, which it reaches at address:
	// it only has to be started, and then to be told to follow.
	standby(ctx context.Context, of *Server, address string, o Options) (*Server, error)
	// follow has a standby that was started follow the server at address.
	follow(ctx context.Context, s *Server, address string) error
	// committed says up to where a server has committed, and has whether a standby has all of that.
	committed(ctx context.Context, s *Server) (end string, err error)
	has(ctx context.Context, s *Server, end string) (bool, error)
	// promote has a standby follow no more, and take writes, once it has done all that it has received.
	promote(ctx context.Context, s *Server) error
	// ready tells whether a server takes connections, by the lines of the file with its
	// process number.
	ready(s *Server, lines []string) bool
	// dsn is the connection string of a database, or of none in particular if it is empty.
	dsn(s *Server, database string) string
	// client is the engine's own client, connected to a database.
	client(ctx context.Context, s *Server, database string, arguments ...string) (*exec.Cmd, error)
	// sql runs statements, as Server.SQL says.
	sql(ctx context.Context, s *Server, database, statements string) (string, error)
	// version asks a given server. It fails for one that is of another kind.
	version(ctx context.Context, s *Server) (string, error)
	// drop tries once to drop a database with all that holds on to it.
	drop(ctx context.Context, s *Server, database string) error
}

// traits are the facts about an engine.
type traits struct {
	name     string         // for people
	label    string         // of its folders
	given    string         // the variable of the environment that gives a server to use
	versions []string       // that tests run against, if nothing else is said
	users    []string       // that servers run as if the tests are root, by preference
	server   string         // the program, seen from the folder of the programs
	client   string         // the program that SQL is run with
	dataArg  string         // how the server's programs are told of the data directory
	pidFile  string         // where the server writes its process number, in the data directory
	stop     syscall.Signal // at which it ends in an orderly way
	quit     syscall.Signal // at which it ends at once and takes its children along
}

// engines are all that there are.
func engines() []engine {
	return []engine{postgres{}, mysql{mariadb: true}, mysql{}}
}
