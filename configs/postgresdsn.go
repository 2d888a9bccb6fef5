package configs

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// The values of sslmode, and what those that do not verify the server leave open.
var (
	verifiedModes   = []string{"verify-ca", "verify-full"}
	unverifiedModes = []string{"disable", "allow", "prefer", "require"}
	modeWeakness    = map[string]string{
		"disable": "the connection is not encrypted",
		"allow":   "the connection need not be encrypted",
		"prefer":  "the connection need not be encrypted",
		"require": "the connection is encrypted, and nobody verifies which server is at the other end",
	}
)

// postgresDSN checks what the dsn of a PostgreSQL store says, as far as that can be known
// without a connection. Strict: the server has to be verified. Nothing of the dsn is
// printed but an sslmode that is one of the known words.
func (d *decoder) postgresDSN(s *Store, strict bool) {
	dsn := s.DSN.Reveal()
	if dsn == "" {
		return // reported already
	}
	at := place(s.attrs, "dsn", s.at)
	settings, err := postgresSettings(dsn)
	switch {
	case errors.Is(err, errURLForm):
		d.errorf(at, "Bad dsn", "The dsn begins like a URL and is none. In the user, the password and the names in it, write @ / ? %% and space as %%40 %%2F %%3F %%25 and %%20; the port is a number, and what follows ? is name=value, with & in between.")
		return
	case err != nil:
		d.errorf(at, "Bad dsn", "The dsn of a PostgreSQL store is a URL, postgres://user@host/database, or words, host=… dbname=… user=…, in which a value with spaces is in single quotes. This is neither. The path of a file is for a store with engine = \"sqlite\".")
		return
	}
	mode := settings["sslmode"]
	modes := slices.Concat(unverifiedModes, verifiedModes)
	switch {
	case mode == "" || slices.Contains(verifiedModes, mode):
	case !slices.Contains(modes, mode):
		d.errorf(at, "Unknown sslmode", "The sslmode in the dsn is none of %s.%s", oneOf(modes), didYouMean(mode, modes))
	case strict:
		d.errorf(at, "Connection not verified",
			"The dsn has sslmode=%s: %s. Write sslmode=verify-full, with sslrootcert=… unless this machine knows who signed the server's certificate; or allow it with insecure = true in this block.",
			mode, modeWeakness[mode])
	}
}

var (
	errURLForm  = errors.New("not a URL")
	errWordForm = errors.New("not name=value words")
)

// postgresSettings reads the parameters of a dsn, in either form, as libpq does; of a URL
// only those behind the question mark. Its errors are errURLForm and errWordForm.
func postgresSettings(dsn string) (map[string]string, error) {
	for _, scheme := range []string{"postgres://", "postgresql://"} {
		if rest, ok := strings.CutPrefix(dsn, scheme); ok {
			return urlSettings(rest)
		}
	}
	return wordSettings(dsn)
}

// urlSettings reads a URL from behind its scheme. [url.Parse] is for other URLs: libpq's
// may have several hosts, and a path for a host.
func urlSettings(rest string) (map[string]string, error) {
	if _, err := url.PathUnescape(rest); err != nil {
		return nil, errURLForm
	}
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		rest = rest[i+1:]
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, _, _ := strings.Cut(rest, "/")
	for host := range strings.SplitSeq(hosts, ",") {
		_, port, _ := strings.Cut(host[strings.LastIndex(host, "]")+1:], ":")
		if strings.Contains(host, "@") || strings.Trim(port, "0123456789") != "" {
			return nil, errURLForm
		}
	}
	settings := map[string]string{}
	if query == "" {
		return settings, nil
	}
	for word := range strings.SplitSeq(query, "&") {
		word, err := url.PathUnescape(word)
		name, value, found := strings.Cut(word, "=")
		if err != nil || !found {
			return nil, errURLForm
		}
		settings[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return settings, nil
}

var (
	// wordForm is one word at the beginning of a text: a name, =, and a value in single
	// quotes, or a plain one, or none.
	wordForm = regexp.MustCompile(`(?s)^\s*([A-Za-z_][\w.]*)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.|\\$)(?:[^\s\\]|\\.|\\$)*|)\s*`)
	// escaped is a character that a backslash in a value takes as it is, or the end.
	escaped = regexp.MustCompile(`(?s)\\(.|$)`)
)

// wordSettings reads name=value words.
func wordSettings(dsn string) (map[string]string, error) {
	settings := map[string]string{}
	for dsn != "" {
		word := wordForm.FindStringSubmatch(dsn)
		if word == nil {
			return nil, errWordForm
		}
		dsn = dsn[len(word[0]):]
		value := word[2]
		if strings.HasPrefix(value, "'") {
			value = value[1 : len(value)-1]
		}
		settings[word[1]] = escaped.ReplaceAllString(value, "$1")
	}
	return settings, nil
}
