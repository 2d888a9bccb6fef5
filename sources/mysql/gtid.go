package mysql

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
)

// gtid names one transaction of a log with GTIDs.
type gtid struct {
	// group is what numbers count in: the server's UUID, with ":tag" behind it if there is one;
	// the domain of MariaDB.
	group  string
	number uint64
	// server is the server_id, of MariaDB only.
	server  uint32
	mariadb bool
}

// gtidOf returns the name that an event gives.
func gtidOf(g *binlog.GTID, mariadb bool) gtid {
	if mariadb {
		return gtid{group: strconv.FormatUint(uint64(g.Domain), 10), number: g.Sequence, server: g.Server, mariadb: true}
	}
	b := binlog.AppendUUID(make([]byte, 0, 64), g.UUID)
	if g.Tag != "" {
		b = append(append(b, ':'), g.Tag...)
	}
	return gtid{group: string(b), number: uint64(g.Number)}
}

// String prints g as the server does.
func (g gtid) String() string {
	b := append(make([]byte, 0, 64), g.group...)
	if g.mariadb {
		b = strconv.AppendUint(append(b, '-'), uint64(g.server), 10)
		b = append(b, '-')
	} else {
		b = append(b, ':')
	}
	return string(strconv.AppendUint(b, g.number, 10))
}

// parseGTID reads what String printed.
func parseGTID(text string) (gtid, error) {
	set, err := parseGTIDs(text, !strings.Contains(text, ":"))
	if err != nil {
		return gtid{}, err
	}
	if len(set.groups) != 1 || len(set.groups[0].runs) != 1 {
		return gtid{}, fmt.Errorf("%q is no GTID", text)
	}
	g := set.groups[0]
	return gtid{group: g.name, number: g.runs[0].last, server: g.server, mariadb: set.mariadb}, nil
}

// gtids is a set of transactions. That of MariaDB has for each domain all up to one.
type gtids struct {
	mariadb bool
	groups  []group // by name
}

// group is the transactions of one group, in runs without gaps, in order.
type group struct {
	name   string
	runs   []run
	server uint32
	text   string // as it is printed; "" if not known
}

type run struct{ first, last uint64 }

// parseGTIDs reads a set as the server prints it, and one with a list of sets.
func parseGTIDs(text string, mariadb bool) (*gtids, error) {
	s := &gtids{mariadb: mariadb}
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		var err error
		if mariadb {
			err = s.parseDomain(item)
		} else {
			err = s.parseServer(item)
		}
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *gtids) parseDomain(item string) error {
	parts := strings.Split(item, "-")
	if len(parts) != 3 {
		return fmt.Errorf("%q is no GTID", item)
	}
	domain, err := strconv.ParseUint(parts[0], 10, 32)
	if err != nil {
		return fmt.Errorf("%q is no GTID", item)
	}
	server, err := strconv.ParseUint(parts[1], 10, 32)
	if err != nil {
		return fmt.Errorf("%q is no GTID", item)
	}
	number, err := strconv.ParseUint(parts[2], 10, 64)
	if err != nil {
		return fmt.Errorf("%q is no GTID", item)
	}
	s.add(gtid{group: strconv.FormatUint(domain, 10), number: number, server: uint32(server), mariadb: true})
	return nil
}

// parseServer reads UUID[:tag]:1-3:5[:tag:1]….
func (s *gtids) parseServer(item string) error {
	uuid, rest, ok := strings.Cut(item, ":")
	uuid = strings.ToLower(uuid)
	if !ok || len(uuid) != 36 || strings.Trim(uuid, "0123456789abcdef-") != "" {
		return fmt.Errorf("%q is no GTID", item)
	}
	name := uuid
	for part := range strings.SplitSeq(rest, ":") {
		part = strings.ToLower(strings.TrimSpace(part))
		if part == "" {
			return fmt.Errorf("%q is no GTID", item)
		}
		if part[0] < '0' || part[0] > '9' {
			name = uuid + ":" + part
			continue
		}
		first, last, ranged := strings.Cut(part, "-")
		f, err := strconv.ParseUint(first, 10, 63)
		if err != nil || f == 0 {
			return fmt.Errorf("%q is no GTID", item)
		}
		l := f
		if ranged {
			if l, err = strconv.ParseUint(last, 10, 63); err != nil || l < f {
				return fmt.Errorf("%q is no GTID", item)
			}
		}
		s.addRun(name, run{f, l})
	}
	return nil
}

func (s *gtids) find(name string) (int, bool) {
	return slices.BinarySearchFunc(s.groups, name, func(g group, name string) int { return cmp.Compare(g.name, name) })
}

// group returns the group of that name, which is made if there is none.
func (s *gtids) group(name string) *group {
	i, found := s.find(name)
	if !found {
		s.groups = slices.Insert(s.groups, i, group{name: name})
	}
	return &s.groups[i]
}

// add adds a transaction.
func (s *gtids) add(g gtid) {
	if !s.mariadb {
		s.addRun(g.group, run{g.number, g.number})
		return
	}
	to := s.group(g.group)
	switch {
	case len(to.runs) == 0:
		to.runs = []run{{0, g.number}}
	case to.runs[0].last >= g.number:
		return
	default:
		to.runs[0].last = g.number
	}
	to.server, to.text = g.server, ""
}

func (s *gtids) addRun(name string, r run) {
	g := s.group(name)
	if n := len(g.runs); n > 0 && r.first > g.runs[n-1].first { // almost always
		if last := &g.runs[n-1]; r.first <= last.last+1 {
			if r.last > last.last {
				last.last, g.text = r.last, ""
			}
			return
		}
		g.runs, g.text = append(g.runs, r), ""
		return
	}
	g.text = ""
	g.runs = append(g.runs, r)
	slices.SortFunc(g.runs, func(a, b run) int { return cmp.Compare(a.first, b.first) })
	merged := g.runs[:1]
	for _, r := range g.runs[1:] {
		if last := &merged[len(merged)-1]; r.first <= last.last+1 {
			last.last = max(last.last, r.last)
		} else {
			merged = append(merged, r)
		}
	}
	g.runs = merged
}

// addAll adds every transaction of o.
func (s *gtids) addAll(o *gtids) {
	for _, g := range o.groups {
		for _, r := range g.runs {
			if s.mariadb {
				s.add(gtid{group: g.name, number: r.last, server: g.server, mariadb: true})
			} else {
				s.addRun(g.name, r)
			}
		}
	}
}

// remove takes a transaction out. It is not for MariaDB.
func (s *gtids) remove(x gtid) {
	i, found := s.find(x.group)
	if !found {
		return
	}
	g := &s.groups[i]
	g.text = ""
	var left []run
	for _, r := range g.runs {
		if x.number < r.first || x.number > r.last {
			left = append(left, r)
			continue
		}
		if r.first < x.number {
			left = append(left, run{r.first, x.number - 1})
		}
		if x.number < r.last {
			left = append(left, run{x.number + 1, r.last})
		}
	}
	if g.runs = left; len(left) == 0 {
		s.groups = slices.Delete(s.groups, i, i+1)
	}
}

// has tells whether a transaction is in the set.
func (s *gtids) has(g gtid) bool { return s.covers(g.group, run{g.number, g.number}) }

func (s *gtids) covers(name string, r run) bool {
	i, found := s.find(name)
	if !found {
		return false
	}
	for _, have := range s.groups[i].runs {
		if have.first <= r.first && r.last <= have.last {
			return true
		}
	}
	return false
}

// hasAll tells whether every transaction of o is in the set.
func (s *gtids) hasAll(o *gtids) bool {
	for i := range o.groups {
		for _, r := range o.groups[i].runs {
			if !s.covers(o.groups[i].name, r) {
				return false
			}
		}
	}
	return true
}

func (s *gtids) equal(o *gtids) bool { return s.hasAll(o) && o.hasAll(s) }

func (s *gtids) clone() *gtids {
	c := &gtids{mariadb: s.mariadb, groups: slices.Clone(s.groups)}
	for i := range c.groups {
		c.groups[i].runs = slices.Clone(c.groups[i].runs)
	}
	return c
}

// append prints the set as the server reads it. What did not change since the last time is
// not printed anew.
func (s *gtids) append(b []byte) []byte {
	for i := range s.groups {
		g := &s.groups[i]
		if g.text == "" {
			g.text = g.print(s.mariadb)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, g.text...)
	}
	return b
}

func (g *group) print(mariadb bool) string {
	if mariadb {
		return gtid{group: g.name, number: g.runs[0].last, server: g.server, mariadb: true}.String()
	}
	b := []byte(g.name)
	for _, r := range g.runs {
		b = append(b, ':')
		b = strconv.AppendUint(b, r.first, 10)
		if r.last > r.first {
			b = append(b, '-')
			b = strconv.AppendUint(b, r.last, 10)
		}
	}
	return string(b)
}

func (s *gtids) String() string { return string(s.append(nil)) }
