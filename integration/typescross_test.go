package integration

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// passage is values of a type of one engine in a column of another one.
type passage struct {
	table, from, to string
	// what is what people call the type, if not by its name.
	what     string
	literals []string
	cast     bool // the literals are cast to the type
	fates    []passed
}

// passed is what became of a value.
type passed struct {
	// shown is how it looks there. parked is why it did not get there.
	shown, parked string
	// altered is what the link made of the value itself, touched what it is once the row was
	// changed there beside it; "" if it is as it was.
	altered, touched string
	// came is what it is once it was written there again, back why that did not come back.
	came, back string
}

// crossing carries values from one database to another of another engine, and back.
type crossing struct {
	t        *testing.T
	from, to *typesEnd
	passages []*passage
	link     *typesLink
	before   map[string]map[int]row
}

func (p *passage) insert(base int) string {
	var b strings.Builder
	for i, l := range p.literals {
		if p.cast {
			l += "::" + p.from
		}
		fmt.Fprintf(&b, "INSERT INTO %s (id, v) VALUES (%d, %s);\n", p.table, base+i, l)
	}
	return b.String()
}

// each runs statements for each table at an end.
func (c *crossing) each(e *typesEnd, statements func(*passage) string) {
	c.t.Helper()
	var b strings.Builder
	for _, p := range c.passages {
		b.WriteString(statements(p))
	}
	e.exec(b.String())
}

// read returns what both ends hold.
func (c *crossing) read() (from, to map[string]map[int]row) {
	c.t.Helper()
	columns := [2]map[string]string{{}, {}}
	for _, p := range c.passages {
		columns[0][p.table], columns[1][p.table] = p.from, p.to
	}
	return c.from.read(columns[0]), c.to.read(columns[1])
}

// run does all of it, and notes what became of the values.
func (c *crossing) run() {
	c.t.Helper()
	for i, p := range c.passages {
		p.table = fmt.Sprintf("t%03d", i)
		p.fates = make([]passed, len(p.literals))
	}
	c.each(c.from, func(p *passage) string { return c.from.createTyped(p.table, p.from, false) })
	c.each(c.to, func(p *passage) string { return c.to.createTyped(p.table, p.to, true) })
	c.each(c.from, func(p *passage) string { return p.insert(1000) })
	c.before, _ = c.read()
	c.link = newTypesLinkOf(c.t, c.from.site, c.to.site)
	announced := c.announced()
	c.link.run(c.t)
	c.arrived()
	c.stream()
	c.back()
	c.link.quiet()
	if st := c.link.status(); st.Conflicts != 0 || st.State != "running" {
		c.t.Errorf("%+v", st)
	}
	for _, table := range c.link.status().Tables {
		if table.Stage != "live" {
			c.t.Errorf("%+v", table)
		}
	}
	if err := c.link.stop(); err != nil {
		c.t.Error(err)
	}
	for _, p := range c.passages {
		p.judge(c.t, announced[p.table])
	}
}

// announced is of how many rows of each table plan says that they are not kept.
func (c *crossing) announced() map[string]int {
	c.t.Helper()
	out, err := exec.Command(binary, "plan", "--json", "--sample", "1000", c.link.config).Output()
	var p planned
	if e := json.Unmarshal(out, &p); e != nil || err != nil || !p.OK {
		c.t.Fatalf("plan: %v %v\n%s", err, e, out)
	}
	all := map[string]int{}
	for _, table := range p.Links[0].Tables {
		all[table.Name] = table.Left.Lossy["v"] + table.Left.Unfit
	}
	return all
}

// arrived notes what first contact came to.
func (c *crossing) arrived() {
	c.t.Helper()
	parked := c.link.parked()
	have, there := c.read()
	for _, p := range c.passages {
		for i := range p.fates {
			f, id := &p.fates[i], 1000+i
			f.parked, f.shown = parked[p.table][id], there[p.table][id].v
			if _, arrived := there[p.table][id]; arrived == (f.parked != "") {
				c.t.Errorf("%s in %s: %s is %q there, and parked %q", p.from, p.to, p.literals[i], f.shown, f.parked)
			}
			if got := have[p.table][id].v; got != c.before[p.table][id].v {
				f.altered = got
			}
		}
	}
}

// stream inserts the values while the link runs, and makes rows of them: both come to what
// first contact came to.
func (c *crossing) stream() {
	c.t.Helper()
	c.each(c.from, func(p *passage) string {
		return p.insert(2000) + fmt.Sprintf("INSERT INTO %s (id) VALUES ", p.table) + rowNumbers(3000, len(p.literals)) + ";\n"
	})
	c.link.barrier()
	c.each(c.from, func(p *passage) string {
		var b strings.Builder
		for i, l := range p.literals {
			if p.cast {
				l += "::" + p.from
			}
			fmt.Fprintf(&b, "UPDATE %s SET v = %s WHERE id = %d;\n", p.table, l, 3000+i)
		}
		return b.String()
	})
	c.link.barrier()
	parked := c.link.parked()
	have, there := c.read()
	for _, p := range c.passages {
		for i, f := range p.fates {
			for _, base := range []int{2000, 3000} {
				want, id := f.shown, base+i
				if base == 3000 && f.parked != "" {
					want = isNull
				}
				if got := there[p.table][id].v; got != want || (parked[p.table][id] == "") != (f.parked == "") {
					c.t.Errorf("%s in %s: %s, row %d is %.80q, %q, and after first contact %.80q, %q", p.from, p.to, p.literals[i], id,
						got, parked[p.table][id], want, f.parked)
				}
				if got, want := have[p.table][id].v, cmp.Or(f.altered, c.before[p.table][1000+i].v); got != want {
					c.t.Errorf("%s in %s: %s, row %d became %.80q by itself, after first contact it was %.80q", p.from, p.to, p.literals[i], id, got, want)
				}
			}
		}
	}
	c.each(c.from, func(p *passage) string { return fmt.Sprintf("DELETE FROM %s WHERE id >= 2000;\n", p.table) })
	c.link.barrier()
}

// rowNumbers are rows of one column for an INSERT.
func rowNumbers(base, n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("(%d)", base+i))
	}
	return strings.Join(list, ", ")
}

// back changes the rows where they came to: another column first, and then the value, from
// NULL to what it was.
func (c *crossing) back() {
	c.t.Helper()
	c.each(c.to, func(p *passage) string { return fmt.Sprintf("UPDATE %s SET note = 'touched';\n", p.table) })
	c.link.barrier()
	have, there := c.read()
	for _, p := range c.passages {
		for i := range p.fates {
			f, got, want := &p.fates[i], have[p.table][1000+i], cmp.Or(p.fates[i].altered, c.before[p.table][1000+i].v)
			if got.v != want {
				f.touched = got.v
			}
			if f.parked == "" && got.note != "touched" {
				f.back = c.link.parked()[p.table][1000+i]
				if f.back == "" {
					c.t.Errorf("%s in %s: %s: a change of another column did not come back", p.from, p.to, p.literals[i])
				}
			}
			if got := there[p.table][1000+i].v; got != f.shown {
				c.t.Errorf("%s in %s: %s: it was %.80q there, and became %.80q", p.from, p.to, p.literals[i], f.shown, got)
			}
		}
	}
	c.each(c.to, func(p *passage) string {
		return fmt.Sprintf("UPDATE %s SET was = v;\nUPDATE %[1]s SET v = NULL;\n", p.table)
	})
	c.link.barrier()
	c.each(c.to, func(p *passage) string { return fmt.Sprintf("UPDATE %s SET v = was;\n", p.table) })
	c.link.barrier()
	parked := c.link.parked()
	have, _ = c.read()
	for _, p := range c.passages {
		for i := range p.fates {
			f := &p.fates[i]
			if f.parked != "" {
				continue
			}
			got, want := have[p.table][1000+i].v, c.before[p.table][1000+i].v
			f.back = parked[p.table][1000+i]
			if got != want && f.back == "" {
				f.came = got
			}
		}
	}
}

// judge checks that a value that comes back as another one is announced by plan.
func (p *passage) judge(t *testing.T, announced int) {
	t.Helper()
	changed := 0
	for i, f := range p.fates {
		if f.came != "" {
			changed++
		}
		t.Logf("%.30s in %s: %.40s is %.40q there; parked %q back %q altered %.40q touched %.40q came %.40q", p.from, p.to, p.literals[i], f.shown, f.parked, f.back,
			f.altered, f.touched, f.came)
	}
	if changed > announced {
		t.Logf("%s in %s: %d values come back as others, and plan says so of %d", p.from, p.to, changed, announced)
	}
}

var (
	// reasonHead is what a reason begins with that says where, and reasonPart what is different
	// each time, or from server to server.
	reasonHead = regexp.MustCompile(`(?s)^.*(?:Error \d+(?: \(\w+\))?: |ERROR: |column v: |table \w+: v: )`)
	reasonPart = regexp.MustCompile(` at row \d+| \(SQLSTATE \w+\)| for column .*$| into .*$|;.*$| at position .*$|:? ?"[^"]*"$|^"[^"]*" |:? '[^']*'|"[^"]*" (is out)`)
)

// reason is why a row is parked, in few words.
func reason(text string) string {
	text = reasonPart.ReplaceAllString(reasonHead.ReplaceAllString(text, ""), "$1")
	return strings.ReplaceAll(text, "|", `\|`)
}

// happens says what becomes of the values that are not kept.
func (p *passage) happens() string {
	type kind struct{ values, text string }
	var kinds []kind
	add := func(literal, text string) {
		value := mdCode(literal)
		if i := slices.IndexFunc(kinds, func(k kind) bool { return k.text == text }); i >= 0 {
			kinds[i].values += ", " + value
			return
		}
		kinds = append(kinds, kind{value, text})
	}
	for i, f := range p.fates {
		literal := strings.Trim(strings.TrimPrefix(p.literals[i], "E"), "'")
		if !p.cast || strings.Contains(p.literals[i], "(") || literal == "" {
			literal = p.literals[i]
		}
		switch {
		case f.parked != "":
			add(literal, " parked: "+reason(f.parked))
		case f.altered != "":
			add(literal, " becomes "+mdCode(f.altered)+" itself")
		case f.back != "":
			add(literal, " is "+mdCode(f.shown)+" there; parked once that is written: "+reason(f.back))
		case f.touched != "":
			add(literal, " is "+mdCode(f.shown)+" there, and here "+mdCode(f.touched)+" once the row is changed there")
		case f.came != "":
			add(literal, " is "+mdCode(f.shown)+" there, and here "+mdCode(f.came)+" once that is written there")
		}
	}
	var all []string
	for _, k := range kinds {
		all = append(all, k.values+k.text)
	}
	return cmp.Or(strings.Join(all, "; "), "–")
}

// mdCode is text in a cell of a table of Markdown.
func mdCode(text string) string {
	text = strings.NewReplacer("\x00NULL", "NULL", "\x00", `\0`, "\n", `\n`, "|", `\|`).Replace(text)
	if runes := []rune(text); len(runes) > 80 {
		text = string(runes[:79]) + "…"
	}
	if text == "" {
		return "nothing"
	}
	return "`" + text + "`"
}

// example is how the first value that got there looks.
func (p *passage) example() string {
	for _, f := range p.fates {
		if f.parked == "" && f.shown != "" && f.shown != isNull && len(f.shown) < 50 {
			return mdCode(f.shown)
		}
	}
	return ""
}
