package verify

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cdcsync/cdcsync/change"
)

// stateVersion is that of the file. A file of another one is not gone on from.
const stateVersion = 1

// keepFor is how old a state may be that is gone on from: a certificate should be of one time.
const keepFor = 24 * time.Hour

// state is how far a run is, and what it found. It is saved when no row is being looked into.
type state struct {
	// Table is the index of the pair, Pass the side that is walked where keys are looked up, and
	// After the last key compared: in the form of the pair, or of that side's store.
	Table       int
	Pass        change.Side
	After       change.Row
	Certificate Certificate
}

// file is a state as it is kept.
type file struct {
	Version int       `json:"version"`
	Link    string    `json:"link"`
	Shape   string    `json:"shape"`
	Saved   time.Time `json:"saved"`

	Table       int         `json:"table"`
	Pass        change.Side `json:"pass"`
	After       rowText     `json:"after"`
	Certificate Certificate `json:"certificate"`
}

// rowText is a row as text, "" for none.
type rowText string

func textOf(r change.Row) rowText {
	if r == nil {
		return ""
	}
	return rowText(base64.StdEncoding.EncodeToString(change.AppendRow(nil, r)))
}

func (t rowText) row() (change.Row, error) {
	if t == "" {
		return nil, nil
	}
	b, err := base64.StdEncoding.DecodeString(string(t))
	if err != nil {
		return nil, err
	}
	r, _, err := change.DecodeRow(b)
	return r, err
}

// differenceText is a Difference as the file has it.
type differenceText struct {
	Key     rowText  `json:"key"`
	What    string   `json:"what"`
	Columns []string `json:"columns,omitempty"`
	Left    rowText  `json:"left,omitempty"`
	Right   rowText  `json:"right,omitempty"`
	Note    string   `json:"note,omitempty"`
}

// MarshalJSON writes d with its rows as encoded text, for [Difference.UnmarshalJSON].
func (d Difference) MarshalJSON() ([]byte, error) {
	return json.Marshal(differenceText{textOf(d.Key), d.What, d.Columns, textOf(d.Left), textOf(d.Right), d.Note})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (d *Difference) UnmarshalJSON(b []byte) error {
	var t differenceText
	err := json.Unmarshal(b, &t)
	*d = Difference{What: t.What, Columns: t.Columns, Note: t.Note}
	for _, part := range []struct {
		to   *change.Row
		text rowText
	}{{&d.Key, t.Key}, {&d.Left, t.Left}, {&d.Right, t.Right}} {
		var e error
		*part.to, e = part.text.row()
		err = errors.Join(err, e)
	}
	return err
}

// shape tells apart what is compared: a state is of one.
func (r *run) shape() string {
	h := sha256.New()
	for _, p := range r.Pairs {
		fmt.Fprintf(h, "%q %d", p.Name, p.Key)
		for s, t := range p.Tables {
			fmt.Fprintf(h, " %d %q", s, t.Name)
			for _, c := range t.Columns {
				fmt.Fprintf(h, " %q %q", c.Name, c.Type)
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (r *run) path() string { return filepath.Join(r.Dir, "verify-"+r.Link+".json") }

// load begins, or goes on from the state that was saved last.
func (r *run) load() error {
	r.state.Certificate = Certificate{Link: r.Link, Running: r.Live != nil, Started: time.Now().UTC()}
	if r.Dir == "" {
		return nil
	}
	b, err := os.ReadFile(r.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the state of the last run: %w", err)
	}
	var f file
	if json.Unmarshal(b, &f) != nil || f.Version != stateVersion || f.Link != r.Link || f.Shape != r.shape() || time.Since(f.Saved) > keepFor {
		return nil
	}
	after, err := f.After.row()
	if err != nil || f.Table > len(r.Pairs) {
		return nil
	}
	running := f.Certificate.Running && r.Live != nil
	r.state = state{Table: f.Table, Pass: f.Pass, After: after, Certificate: f.Certificate}
	r.state.Certificate.Resumed, r.state.Certificate.Running = true, running
	return nil
}

// save writes the state so that a crash at any moment leaves this one or the one before.
func (r *run) save() error {
	if r.Dir == "" {
		return nil
	}
	b, err := json.Marshal(file{
		Version: stateVersion, Link: r.Link, Shape: r.shape(), Saved: time.Now().UTC(),
		Table: r.state.Table, Pass: r.state.Pass, After: textOf(r.state.After), Certificate: r.state.Certificate,
	})
	if err == nil {
		err = replace(r.path(), b)
	}
	if err != nil {
		return fmt.Errorf("save the state: %w", err)
	}
	return nil
}

// replace puts b in the place of a file.
func replace(path string, b []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// forget removes the state of a run that has come to its end.
func (r *run) forget() error {
	if r.Dir == "" {
		return nil
	}
	if err := os.Remove(r.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the state: %w", err)
	}
	return nil
}
