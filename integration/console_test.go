package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/cdcsync/cdcsync/admin"
)

// Parts of the console, as XPath.
const (
	consoleParked    = `//*[@id="parked"]`
	consoleConflicts = `//*[@id="conflicts"]`
	consoleTables    = `//*[@id="tables"]`
	consoleOrders    = consoleTables + `//tr[th="orders"]`
	consoleVerify    = `//*[@id="verify"]`
	consoleDialog    = `//dialog[@open]`
)

// needBrowser skips a test that drives one, unless they are asked for.
func needBrowser(t *testing.T) {
	t.Helper()
	if os.Getenv("CDCSYNC_CONSOLE_TEST") == "" {
		t.Skip("it fetches a browser: make console-test runs it")
	}
}

// TestConsole does in a browser what a person does who looks after a link: settles rows that both
// sides changed, lets a table wait and go on, compares both stores, and takes a decision back.
func TestConsole(t *testing.T) {
	needBrowser(t)
	s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
	if err := s.p.stop(); err != nil {
		t.Fatal(err)
	}
	s.writeConfig(manualLink)
	s.dispute(1)
	v := visit(t, "http://"+s.address+"/")
	v.sees(`//*[@id="links"]`, "shop")
	v.sees(consoleParked, "policy manual")
	v.picture("parked-light", "light", 1100)

	v.click(consoleParked, "Take left…")
	v.sees(consoleDialog, "becomes what the left side has now")
	v.click(consoleDialog, "Cancel")
	v.click(consoleParked, "Take left…")
	v.click(consoleDialog, "Take left")
	v.sees(consoleParked, "No row is parked")
	s.settled()
	if got := s.both("id, qty"); got != "1:100 2:2 3:3 4:4" {
		t.Errorf("after the left row was taken, both sides have %q", got)
	}

	s.pauseAndDispute(v)
	v.picture("parked-dark", "dark", 1100)
	v.picture("parked-narrow", "light", 360)
	s.editByKeyboard(v)

	v.click(consoleVerify, "Verify")
	v.sees(consoleVerify, "The stores hold the same")

	s.revert(v)
	v.picture("end-light", "light", 1100)
	v.picture("end-dark-narrow", "dark", 360)
	v.sees(`//*[@id="log"]`, "verified: the stores hold the same")
	s.pauseLink(v)
}

// pauseLink lets the link wait, and go on.
func (s *schemaShop) pauseLink(v *visitor) {
	const alarms, buttons = `//*[@id="alarms"]`, `//*[@id="link-buttons"]`
	v.click(buttons, "Pause the link…")
	v.do("give a reason", chromedp.SendKeys(consoleDialog+"//input", "the night"))
	v.click(consoleDialog, "Pause")
	v.sees(alarms, "the night")
	v.picture("paused-light", "light", 1100)
	s.exec(0, "INSERT INTO orders VALUES (7, 7)")
	s.link("paused", func(l admin.Link) bool { return l.State == "paused" })
	if n := s.count(1, "orders"); n != 4 {
		s.t.Errorf("while the link is paused, the other side has %d rows", n)
	}
	v.click(buttons, "Resume the link")
	v.sees(`//*[@id="links"]`, "running")
	s.settled()
	if got := s.both("id, qty"); got != "1:200 2:25 3:30 4:4 7:7" {
		s.t.Errorf("after the link went on, both sides have %q", got)
	}
}

// pauseAndDispute lets the table wait, has both sides change a row, and lets it go on.
func (s *schemaShop) pauseAndDispute(v *visitor) {
	v.click(consoleOrders, "Pause…")
	v.do("give a reason", chromedp.SendKeys(consoleDialog+"//input", "counting stock"))
	v.picture("dialog-narrow", "light", 360)
	v.click(consoleDialog, "Pause")
	v.sees(consoleOrders, "counting stock")
	s.exec(0, "UPDATE orders SET qty = 20 WHERE id = 2", "UPDATE orders SET qty = 30 WHERE id = 3")
	s.exec(1, "UPDATE orders SET qty = 21 WHERE id = 2")
	s.orders("paused with rows that wait", func(t admin.Table) bool { return t.Stage == "paused" && t.Waiting > 0 })
	v.click(consoleOrders, "Resume")
	v.sees(consoleOrders, "live")
	s.settled()
	v.sees(consoleParked, "orders id=2")
}

// editByKeyboard settles the row that is parked with a value of its own, without a mouse.
func (s *schemaShop) editByKeyboard(v *visitor) {
	v.do("open the dialog", chromedp.Focus(consoleParked+`//button[.="Edit…"]`), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(consoleDialog))
	for says[string](v, `document.activeElement.getAttribute("aria-label") ?? ""`) != "qty" {
		v.do("go on", chromedp.KeyEvent(kb.Tab))
	}
	v.do("write the row", chromedp.KeyEvent("a", chromedp.KeyModifiers(2)), chromedp.KeyEvent("25"), chromedp.KeyEvent(kb.Enter))
	v.sees(consoleParked, "No row is parked")
	if says[string](v, "document.activeElement.tagName") == "BODY" {
		s.t.Error("the focus was lost with the row")
	}
	s.settled()
	if got := s.both("id, qty"); got != "1:100 2:25 3:30 4:4" {
		s.t.Errorf("after a row was edited, both sides have %q", got)
	}
}

// revert takes the first decision back, in which the left side had won.
func (s *schemaShop) revert(v *visitor) {
	const decision = consoleConflicts + `//details[contains(summary, "orders id=1")]`
	v.sees(decision, "left won, by a person")
	v.sees(decision, "200")
	if marked := says[string](v, `[...document.querySelectorAll("#conflicts details[open] td.changed")].map((td) => td.textContent).join()`); !strings.Contains(marked, "100,200") {
		s.t.Errorf("marked as changed: %s", marked)
	}
	v.click(decision, "Bring right back…")
	v.click(consoleDialog, "Bring right back")
	v.sees(`//*[@id="said"]`, "is what right had")
	s.settled()
	if got := s.both("id, qty"); got != "1:200 2:25 3:30 4:4" {
		s.t.Errorf("after the decision was taken back, both sides have %q", got)
	}
}

// TestConsoleTutorial does what docs/tutorial.md says, with a browser where it sends the reader to
// the console.
func TestConsoleTutorial(t *testing.T) {
	needBrowser(t)
	followTutorial(t, func(address, table, key, button string) {
		v := visit(t, "http://"+address+"/")
		card := fmt.Sprintf(`%s//article[h4=%q]`, consoleParked, table+" "+key)
		v.sees(card, "policy manual")
		v.picture("tutorial", "light", 1100)
		v.click(card, button+"…")
		v.click(consoleDialog, button)
		v.do("wait until the row is settled", chromedp.WaitNotPresent(card))
	})
}
