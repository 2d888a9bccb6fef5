package router

import "testing"

func TestLaps(t *testing.T) {
	l := newLaps()
	write := func(print uint64, minute int32, times int) {
		for range times {
			l.wrote(print, minute)
		}
	}
	expect := func(what string, print uint64, minute int32, want bool) {
		t.Helper()
		if l.many(print, minute) != want {
			t.Errorf("%s: %v", what, !want)
		}
	}
	expect("a row that was never written", 1, 10, false)
	write(1, 10, manyLaps-1)
	expect("a row that was written a few times", 1, 10, false)
	write(1, 10, 1)
	expect("a row that was written often", 1, 10, true)
	expect("another row", 2, 10, false)
	write(1+lapSlots, 10, 1)
	expect("one that wants to take the place of one written often", 1, 10, true)
	expect("in the next minute", 1, 11, true)
	expect("two minutes later", 1, 12, false)
	write(1, 11, 1)
	expect("one that goes on in the next minute", 1, 12, true)
	write(1+lapSlots, 13, manyLaps)
	expect("the place of one that has ended", 1, 13, false)
	expect("the one that took it", 1+lapSlots, 13, true)
}

// Rows that are written a few times each do not count, however many they are.
func TestLapsOfManyRows(t *testing.T) {
	l := newLaps()
	for range manyLaps - 1 {
		for print := range uint64(10 * lapSlots) {
			l.wrote(print*0x9e3779b97f4a7c15, 1)
		}
	}
	for print := range uint64(10 * lapSlots) {
		if l.many(print*0x9e3779b97f4a7c15, 1) {
			t.Fatalf("row %d counts", print)
		}
	}
}
