package router

// SideCounters count what happened on one side since the link was started.
type SideCounters struct {
	// Changes were read from the side's log, made by applications or other links; Echoed are
	// rows that the link itself wrote, read back; Effects are rows that the application's
	// triggers wrote inside the link's transactions.
	Changes, Echoed, Effects uint64
	// Applied rows were written to the side, in Batches transactions. Differs counts the
	// compares that failed, Refused the rows that the store did not take.
	Applied, Batches, Differs, Refused uint64
	// Shadowed rows would have been written to the side if it were not in shadow.
	Shadowed uint64
	// Looks are direct reads of rows; Drift those that showed what the log did not explain.
	Looks, Drift uint64
	// Split counts transactions that had to be applied in more than one.
	Split uint64
	// Retries counts transient errors.
	Retries uint64
	// Repeated counts those of Changes to rows that were written many times within a minute.
	Repeated uint64
	// BatchRows and ApplySeconds are of the batches with rows: how many, and how long the store took.
	BatchRows, ApplySeconds Histogram
}

// Counters count what happened on the link since it was started.
type Counters struct {
	Conflicts uint64
	// ByPolicy has of these how many each policy decided, by what their records say; those that the
	// pairs go by are there from the start. Whoever has it does not write to it.
	ByPolicy map[string]uint64
	// Clashes are the conflicts between changes that came from the logs; the others were found by
	// comparing.
	Clashes uint64
	// Contacted rows were compared in first contact.
	Contacted uint64
	// Emptied counts tables that were emptied by one statement.
	Emptied uint64
}
