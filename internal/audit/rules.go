package audit

// Rules are all rules, by part and number. A number is never given again.
var Rules = []Rule{
	rcv001, rcv002, rcv003, rcv004, rcv005, rcv006, rcv007, rcv008, rcv009, rcv010,
	rcv011, rcv012, rcv013, rcv014, rcv015, rcv016, rcv017, rcv018, rcv019, rcv020,
	rcv021, rcv022, rcv023, rcv024, rcv025, rcv026, rcv027, rcv028, rcv029, rcv030,
	rcv031, rcv032, rcv033, rcv034, rcv035, rcv036, rcv037, rcv038, rcv039, rcv040,
	rcv041, rcv042, rcv043, rcv044, rcv045, rcv046, rcv047, rcv052, rcv060, rcv061, rcv070, sub001, sub002, sub003,
	sub004, sub005, sub031, snd001, snd002, snd003, snd004, snd005, snd006, snd007, snd008,
	snd009, snd010, snd011, snd012, snd013, snd014, snd015, snd016, snd017, snd018,
	snd019, snd020, snd021, snd022, snd023, snd024, snd025, snd026, snd027, snd028,
	snd029, snd030, snd031, snd032, snd033, snd034, snd035, snd036, snd037, snd038, snd039, snd040, snd070, crt001, crt002, crt003, crt004,
	crt005, crt006, crt007, crt008, crt009, crt010, crt011, crt012, crt013, crt014,
	crt015, crt016, crt017, crt018, crt019, crt020, crt021, crt022, crt023, crt024, pub001, pub002, pub003, pub004,
	pub005, pub006, pub007, pub008, pub009, pub010, pub011, pub012, pub031, pub032, cfg001, cfg002,
	cfg003, cfg004, cfg005, cfg006, cfg007, cfg008, cfg009, cfg010, cfg011, cfg012,
	cfg013, cfg014, cfg015, cfg016, cfg017, cfg018, cfg019, cfg020, cfg021, cfg022,
	cfg023,
	cfg032, cfg033, cfg040, cfg041, cfg050,
}
