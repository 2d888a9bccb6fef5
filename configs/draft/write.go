package draft

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
)

// Write returns the draft as a config file, without the comments if it would be too large with
// them. File is what the file is called, for the commands in its head.
func (d *Draft) Write(file string) []byte {
	text := d.write(file, &writer{})
	if len(text) > configs.MaxFileBytes {
		return d.write(file, &writer{bare: true})
	}
	return text
}

func (d *Draft) write(file string, w *writer) []byte {
	w.line("# What cdcsync init made of both stores. Read the comments: they say what was guessed, and what")
	w.line("# was left out.")
	w.line("#")
	w.line("#   cdcsync check %s     reads this file only", clean(file))
	w.line("#   cdcsync plan  %s     looks into both stores and says what would be done", clean(file))
	w.line("#   cdcsync run   %s     keeps them the same until it is stopped", clean(file))
	if w.bare {
		w.line("#")
		w.line("# What was guessed and left out is not in it: the file would be too large. plan says some of it.")
	}
	for s := range d.link.Stores {
		w.store(change.Side(s), &d.link.Stores[s])
	}
	w.line("")
	w.line("link %s {", Quote(d.link.Name))
	w.line("left = store.left")
	w.line("right = store.right")
	w.line("direction = %s", Quote(string(d.link.Direction)))
	d.policy(w)
	d.tables(w)
	w.line("}")
	return hclwrite.Format([]byte(w.String()))
}

// writer makes the text, a line at a time. What is left out is written as a comment.
type writer struct {
	strings.Builder
	out, opened bool
	// apart: an empty line stands before the next column.
	apart bool
	// bare: there are no comments, and nothing that is left out.
	bare bool
}

// line writes a line. An empty one is left out where a block begins, and behind another.
func (w *writer) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if text == "" && w.opened || w.bare && w.out {
		return
	}
	if w.opened = text == "" || strings.HasSuffix(text, "{") && text[0] != '#'; w.out {
		text = strings.TrimRight("# "+text, " ")
	}
	w.WriteString(text + "\n")
}

// width is where comments are wrapped, without what is before them.
const width = 96

// comment writes a comment over as many lines as it takes.
func (w *writer) comment(text string) {
	if w.bare {
		return
	}
	line := "#"
	for _, word := range strings.Fields(clean(text)) {
		if len([]rune(line))+1+len([]rune(word)) > width && line != "#" {
			w.line("%s", line)
			line = "#"
		}
		line += " " + word
	}
	w.line("%s", line)
}

func (w *writer) store(side change.Side, s *Store) {
	w.line("")
	w.line("store %s {", Quote(side.String()))
	w.line("engine = %s", Quote(s.Engine))
	if s.About != "" {
		w.comment(s.About)
	}
	w.line("dsn = %s", s.DSN)
	if s.Insecure {
		w.line("")
		w.comment("Nobody verifies which server this is. Take it out once the dsn does.")
		w.line("insecure = true")
	}
	w.line("}")
}

// policy writes what an operator has to decide, with what goes without saying.
func (d *Draft) policy(w *writer) {
	if d.link.Direction != configs.Both {
		return
	}
	w.line("")
	w.comment(`Rows that differ when the link begins: "left" or "right" has them, "merge" decides as for a conflict, "none" leaves them.`)
	w.line(`initial = "merge"`)
	w.line("")
	w.line("conflict {")
	w.comment(`What decides when both sides changed a row: "latest", "left", "right", "merge" (column by column), or "manual".`)
	w.line(`policy = "latest"`)
	w.line("}")
}

// tables writes the pairs, and what is in none.
func (d *Draft) tables(w *writer) {
	var plain []string
	for _, p := range d.pairs {
		if p.wrong == nil && d.isPlain(p) {
			plain = append(plain, p.tables[1].Name)
		}
	}
	if plain != nil {
		w.line("")
		w.comment("The same names and columns on both sides.")
		w.line("tables {")
		w.line("include = [")
		for _, name := range plain {
			w.line("%s,", Quote(name))
		}
		w.line("]")
		w.line("}")
	}
	for i, p := range d.pairs {
		if p.wrong != nil || !d.isPlain(p) {
			d.table(w, p, i)
		}
	}
	for s, tables := range d.alone {
		if len(tables) == 0 {
			continue
		}
		w.line("")
		w.comment(fmt.Sprintf("Tables of the %s store that nothing on the %s is like:", change.Side(s), change.Side(s).Other()))
		for _, t := range tables {
			w.line("#   %s", clean(t.Name))
		}
	}
}

// isPlain tells whether a pair needs no block: there is nothing to be said of it.
func (d *Draft) isPlain(p *pair) bool {
	if p.tables[0].Name != p.tables[1].Name || !isPlain(p.tables[0].Name) || len(p.alone[0])+len(p.alone[1]) > 0 {
		return false
	}
	return !slices.ContainsFunc(p.columns, func(c *column) bool { return p.named(c) || p.note(d.link, c) != "" })
}

// table writes the block of a pair, the number-th.
func (d *Draft) table(w *writer, p *pair, number int) {
	w.line("")
	if p.wrong != nil {
		w.comment("Left out:")
		for _, reason := range p.wrong {
			w.comment("- " + reason)
		}
	}
	if !p.sure {
		w.comment("Paired by likeness of their names and columns: make sure of it.")
	}
	w.out = p.wrong != nil
	defer func() { w.out = false }()
	label := d.label(p, number)
	w.line("table %s {", Quote(label))
	for s, t := range p.tables {
		if t.Name != label {
			w.line("%s = %s", change.Side(s), Quote(t.Name))
		}
	}
	w.apart = true
	for _, c := range p.columns {
		d.column(w, p, c)
	}
	d.lonely(w, p)
	w.line("}")
}

// label is what a pair, the number-th, is called in the config: as its right table, without a
// schema if that tells it from all others, or else in a way in which no table is called.
func (d *Draft) label(p *pair, number int) string {
	name := p.tables[1].Name
	if isPlain(name) {
		return name
	}
	_, bare, _ := strings.Cut(name, ".")
	unique := !slices.ContainsFunc(d.link.Stores[1].Tables, func(t Table) bool {
		return t.Name != name && (t.Name == bare || strings.HasSuffix(t.Name, "."+bare))
	})
	if isPlain(bare) && unique {
		return bare
	}
	label := "pair"
	for slices.ContainsFunc(d.link.Stores[1].Tables, func(t Table) bool { return strings.Contains(t.Name, label+" ") }) {
		label += "#"
	}
	return fmt.Sprintf("%s %d", label, number+1)
}

// column writes the block of a pair of columns, or what is to be said of one that has none.
func (d *Draft) column(w *writer, p *pair, c *column) {
	note := p.note(d.link, c)
	left, right := p.names(c)
	if w.apart || note != "" {
		w.line("")
	}
	w.apart = note != ""
	if !p.named(c) {
		if note != "" {
			w.comment(right + ": " + note)
		}
		return
	}
	label := p.label(c)
	var attributes []string
	for s, name := range []string{left, right} {
		if name != label {
			attributes = append(attributes, change.Side(s).String()+" = "+Quote(name))
		}
	}
	if crossing(p.tables[0], p.tables[1], c.at) == zoned {
		attributes = append(attributes, d.zoned(p, c)...)
	}
	if note != "" {
		w.comment(note)
	}
	if len(attributes) == 1 {
		w.line("column %s { %s }", Quote(label), attributes[0])
		return
	}
	w.line("column %s {", Quote(label))
	for _, attribute := range attributes {
		w.line("%s", attribute)
	}
	w.line("}")
}

// zoned returns the expressions between a time without a zone and an instant.
func (d *Draft) zoned(p *pair, c *column) []string {
	left, right := p.names(c)
	var list []string
	for s, writes := range d.link.writes() {
		if !writes {
			continue
		}
		from, name := change.Side(1-s), []string{left, right}[1-s]
		value := fmt.Sprintf("%s[%s]", from, Quote(name))
		if isIdentifier(name) {
			value = fmt.Sprintf("%s.%s", from, name)
		}
		expression := fmt.Sprintf(`trimsuffix(%s, "Z")`, value)
		if isInstant(p.tables[s], c.at[s]) {
			expression = fmt.Sprintf(`"${%s}Z"`, expression)
		}
		list = append(list, fmt.Sprintf("to_%s = %s", change.Side(s), expression))
	}
	return list
}

// isIdentifier tells whether a name can stand behind a dot.
func isIdentifier(name string) bool {
	return isPlain(name) && !strings.ContainsAny(name, "-# ") && (name[0] < '0' || name[0] > '9')
}

// lonely writes the columns that are in no pair, and keeps those from being paired by their
// names that cannot be.
func (d *Draft) lonely(w *writer, p *pair) {
	if len(p.alone[0])+len(p.alone[1]) == 0 {
		return
	}
	w.line("")
	w.comment("Not kept the same:")
	for s := range p.alone {
		for _, i := range p.alone[s] {
			w.comment("- " + p.lonely(s, i))
		}
	}
	if ignored := p.ignored(); ignored != nil {
		var quoted []string
		for _, name := range ignored {
			quoted = append(quoted, Quote(name))
		}
		w.line("ignore = [%s]", strings.Join(quoted, ", "))
	}
}

// Quote returns text as a text of a config.
func Quote(text string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(text)).Bytes())
}

// clean returns text without what would end a line, or what a terminal might obey.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return '·'
		}
		return r
	}, strings.ToValidUTF8(text, "·"))
}
