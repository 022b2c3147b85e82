package parse

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStampYear(t *testing.T) {
	for _, c := range []struct{ ref, stamp, want string }{
		{"2026-11-22T14:00:00Z", "Nov 22 14:00:00", "2026-11-22T14:00:00Z"},
		{"2026-11-22T14:00:00Z", "Nov 22 14:00:01", "2025-11-22T14:00:01Z"},
		{"2026-11-22T14:00:00.5Z", "Nov 22 14:00:00.6", "2025-11-22T14:00:00.6Z"},
		{"2026-01-02T00:00:00Z", "Dec 31 23:59:59", "2025-12-31T23:59:59Z"},
		{"2026-01-02T00:00:00Z", "Jan  1 00:00:00", "2026-01-01T00:00:00Z"},
		{"2024-03-01T00:00:00Z", "Feb 29 12:00:00", "2024-02-29T12:00:00Z"},
		{"2024-02-29T11:00:00Z", "Feb 29 12:00:00", "2020-02-29T12:00:00Z"},
		{"2027-06-01T00:00:00Z", "Feb 29 12:00:00", "2024-02-29T12:00:00Z"},
		{"2104-02-01T00:00:00Z", "Feb 29 12:00:00", "2096-02-29T12:00:00Z"},
		{"2017-01-01T00:00:10Z", "Dec 31 23:59:60", "2017-01-01T00:00:00Z"},
		{"2026-12-31T23:59:59Z", "Dec 31 23:59:59", "2026-12-31T23:59:59Z"},
		{"2026-12-30T00:00:00Z", "Jan  1 00:00:00", "2026-01-01T00:00:00Z"},
		// The reader's own year and hour decide, not those of Greenwich.
		{"2026-01-01T00:30:00+02:00", "Jan  1 00:15:00", "2025-12-31T22:15:00Z"},
		{"2025-12-31T23:30:00-02:00", "Dec 31 23:15:00", "2026-01-01T01:15:00Z"},
	} {
		ref := mustTime(t, c.ref)
		var ev Event
		if err := LogLine([]byte(c.stamp+" gate kernel: "+synRecord), ref, &ev); err != nil {
			t.Fatal(err)
		}
		if want := mustTime(t, c.want); !ev.Time.Equal(want) {
			t.Errorf("%s read at %s: %v, want %v", c.stamp, c.ref, ev.Time, want)
		}
		if ev.Time.After(ref) || ev.Time.Location() != ref.Location() {
			t.Errorf("%s read at %s: %v", c.stamp, c.ref, ev.Time)
		}
	}
}

// TestStampYearAlways: read on any day, a stamp of that day is of that day's year,
// and one of the next day a year older.
func TestStampYearAlways(t *testing.T) {
	for day := time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2410; day = day.AddDate(0, 0, 1) {
		for _, ref := range []time.Time{day, day.Add(24*time.Hour - 1)} {
			s := stamp{month: int(day.Month()), day: day.Day()}
			if got := s.time(ref); !got.Equal(day) {
				t.Fatalf("%v read at %v: %v", day, ref, got)
			}
			next := day.AddDate(0, 0, 1)
			s = stamp{month: int(next.Month()), day: next.Day()}
			if got := s.time(ref); got.After(ref) || got.Month() != next.Month() || got.Day() != next.Day() {
				t.Fatalf("%v read at %v: %v", next, ref, got)
			}
		}
	}
}

// TestStampCalendar compares the lengths of months with package time, day by day.
func TestStampCalendar(t *testing.T) {
	for day := time.Date(1890, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2410; day = day.AddDate(0, 0, 1) {
		y, m, d := day.Date()
		if last := day.AddDate(0, 0, 1).Month() != m; last != (d == daysIn(int(m), y)) {
			t.Fatalf("%v: the month has %d days", day, daysIn(int(m), y))
		}
	}
}

// TestStampZones compares a zone with summer time to UTC by way of package time.
func TestStampZones(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	ref := time.Date(2026, 11, 22, 14, 0, 0, 0, berlin)
	for at := ref.AddDate(-1, 0, 0).Add(time.Hour); at.Before(ref); at = at.Add(7 * time.Hour) {
		var s stamp
		line := []byte(at.Format(time.Stamp))
		if s.read(line, 0) != len(line) {
			t.Fatalf("%s", line)
		}
		want := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, berlin)
		if got := s.time(ref); !got.Equal(want) {
			t.Errorf("%s: %v, want %v", line, got, want)
		}
	}
}

// TestStampZoneNames: an abbreviation is first the reader's own, then what it means
// everywhere, and else gives no time.
func TestStampZoneNames(t *testing.T) {
	for _, c := range []struct{ reader, stamp, want string }{
		{"UTC", "Fri 2026-11-27 22:00:05 CET", "2026-11-27T21:00:05Z"},
		{"Europe/Berlin", "Fri 2026-11-27 22:00:05 CET", "2026-11-27T21:00:05Z"},
		{"America/New_York", "Fri 2026-11-27 22:00:05 CET", "2026-11-27T21:00:05Z"},
		{"UTC", "Fri 2026-11-27 22:00:05 GMT", "2026-11-27T22:00:05Z"},
		{"UTC", "Fri 2026-11-27 22:00:05 CST", ""},
		{"America/Chicago", "Fri 2026-11-27 22:00:05 CST", "2026-11-28T04:00:05Z"},
		{"Asia/Shanghai", "Fri 2026-11-27 22:00:05 CST", "2026-11-27T14:00:05Z"},
		{"Europe/Berlin", "Fri 2026-11-27 22:00:05 CST", ""},
		{"UTC", "Fri 2026-11-27 22:00:05 IST", ""},
		{"Asia/Kolkata", "Fri 2026-11-27 22:00:05 IST", "2026-11-27T16:30:05Z"},
		{"Asia/Jerusalem", "Fri 2026-11-27 22:00:05 IST", "2026-11-27T20:00:05Z"},
		{"UTC", "Fri 2026-11-27 22:00:05 PST", ""},
		{"America/Los_Angeles", "Fri 2026-11-27 22:00:05 PST", "2026-11-28T06:00:05Z"},
		{"UTC", "Fri 2026-11-27 22:00:05 QQQ", ""},
		// The hour that comes twice, on either side.
		{"Europe/Berlin", "Sun 2026-10-25 02:30:00 CEST", "2026-10-25T00:30:00Z"},
		{"Europe/Berlin", "Sun 2026-10-25 02:30:00 CET", "2026-10-25T01:30:00Z"},
		{"America/Chicago", "Sun 2026-11-01 01:30:00 CDT", "2026-11-01T06:30:00Z"},
		{"America/Chicago", "Sun 2026-11-01 01:30:00 CST", "2026-11-01T07:30:00Z"},
	} {
		loc, err := time.LoadLocation(c.reader)
		if err != nil {
			t.Fatal(err)
		}
		var ev Event
		if err := LogLine([]byte(c.stamp+" gate kernel: "+synRecord), mustTime(t, "2026-12-01T00:00:00Z").In(loc), &ev); err != nil {
			t.Fatal(err)
		}
		var want time.Time
		if c.want != "" {
			want = mustTime(t, c.want)
		}
		if !ev.Time.Equal(want) || ev.Origin != OriginKernel {
			t.Errorf("%s read in %s: %v, origin %d, want %v", c.stamp, c.reader, ev.Time, ev.Origin, want)
		}
	}
}

// TestStampZonesOfToday holds the table of abbreviations against the time zone
// database.
func TestStampZonesOfToday(t *testing.T) {
	for _, c := range []struct {
		zone   string
		months []time.Month
	}{
		{"Europe/Berlin", []time.Month{1, 7}}, {"Europe/London", []time.Month{7}}, {"Europe/Lisbon", []time.Month{1, 7}}, {"Europe/Athens", []time.Month{1, 7}},
		{"Europe/Moscow", []time.Month{1}}, {"Asia/Jerusalem", []time.Month{7}}, {"Africa/Johannesburg", []time.Month{1}}, {"Africa/Lagos", []time.Month{1}},
		{"Africa/Maputo", []time.Month{1}}, {"Africa/Nairobi", []time.Month{1}}, {"Asia/Karachi", []time.Month{1}}, {"Asia/Jakarta", []time.Month{1}},
		{"Asia/Makassar", []time.Month{1}}, {"Asia/Jayapura", []time.Month{1}}, {"Asia/Hong_Kong", []time.Month{1}}, {"Asia/Tokyo", []time.Month{1}}, {"Asia/Seoul", []time.Month{1}},
		{"Australia/Perth", []time.Month{1}}, {"Australia/Adelaide", []time.Month{1, 7}}, {"Australia/Sydney", []time.Month{1, 7}}, {"Pacific/Auckland", []time.Month{1, 7}},
		{"Pacific/Guam", []time.Month{1}}, {"Pacific/Pago_Pago", []time.Month{1}}, {"Pacific/Honolulu", []time.Month{1}}, {"America/Adak", []time.Month{7}},
		{"America/Anchorage", []time.Month{1, 7}}, {"America/Los_Angeles", []time.Month{7}}, {"America/Denver", []time.Month{1, 7}}, {"America/New_York", []time.Month{1, 7}},
		{"America/Halifax", []time.Month{1, 7}}, {"America/St_Johns", []time.Month{1, 7}},
	} {
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range c.months {
			at := time.Date(2026, m, 15, 12, 0, 0, 0, loc)
			name, want := at.Zone()
			if got, ok := zoneOffset([]byte(name), at.UTC()); !ok || got != want {
				t.Errorf("%s, as in %s: %d, %t, want %d", name, c.zone, got, ok, want)
			}
		}
	}
}

func TestStampRefused(t *testing.T) {
	for _, text := range []string{
		"", "J", "Jul", "Jul ", "Jul  3", "Jul  3 04:05", "Jul  3 04:05:0", "Jul  0 04:05:06", "Jul 32 04:05:06", "Jun 31 04:05:06",
		"Feb 30 04:05:06", "Jul  3 24:05:06", "Jul  3 04:60:06", "Jul  3 04:05:61", "JUL  3 04:05:06", "Jul\r 3 04:05:06",
		"Feb 29 2025 04:05:06", "2026-02-29T04:05:06Z", "2026-13-01T04:05:06Z", "2026-00-01T04:05:06Z", "0000-01-01T04:05:06Z",
		"2026-07-03X04:05:06Z", "2026-07-03T04:05:06+2", "2026-07-03T04:05:06+24:00", "2026-07-03T04:05:06?", "2026-07-03T04:05:06.Z",
		"Fri Jul  3 04:05:06", "Fri 2026-07-03 04:05:06", "1783051506", "1783051506.", "99999999999999999.5",
	} {
		var s stamp
		if end := s.read([]byte(text), 0); end == len(text) {
			t.Errorf("%q is read as %+v", text, s)
		}
	}
}

// TestLocalNames reads the stamps of journalctl and of dmesg -T as they come in
// other languages.
func TestLocalNames(t *testing.T) {
	months := map[string]string{ // LC_TIME's abmon, January to December
		"de":          "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez",
		"fr":          "janv. févr. mars avril mai juin juil. août sept. oct. nov. déc.",
		"es":          "ene feb mar abr may jun jul ago sep oct nov dic",
		"it":          "gen feb mar apr mag giu lug ago set ott nov dic",
		"pt":          "jan fev mar abr mai jun jul ago set out nov dez",
		"nl":          "jan feb mrt apr mei jun jul aug sep okt nov dec",
		"pl":          "sty lut mar kwi maj cze lip sie wrz paź lis gru",
		"cs":          "led úno bře dub kvě čen čec srp zář říj lis pro",
		"ru":          "янв фев мар апр мая июн июл авг сен окт ноя дек",
		"uk":          "січ лют бер кві тра чер лип сер вер жов лис гру",
		"sv":          "jan feb mar apr maj jun jul aug sep okt nov dec",
		"nb":          "jan. feb. mars april mai juni juli aug. sep. okt. nov. des.",
		"da":          "jan feb mar apr maj jun jul aug sep okt nov dec",
		"fi":          "tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu",
		"hu":          "jan febr márc ápr máj jún júl aug szept okt nov dec",
		"tr":          "Oca Şub Mar Nis May Haz Tem Ağu Eyl Eki Kas Ara",
		"ja":          "1月 2月 3月 4月 5月 6月 7月 8月 9月 10月 11月 12月",
		"ko":          "1월 2월 3월 4월 5월 6월 7월 8월 9월 10월 11월 12월",
		"el":          "Ιαν Φεβ Μαρ Απρ Μαΐ Ιουν Ιουλ Αυγ Σεπ Οκτ Νοε Δεκ",
		"ro":          "ian feb mar apr mai iun iul aug sep oct nov dec",
		"bg":          "яну фев мар апр май юни юли авг сеп окт ное дек",
		"sk":          "jan feb mar apr máj jún júl aug sep okt nov dec",
		"ca":          "gen. febr. març abr. maig juny jul. ag. set. oct. nov. des.",
		"id":          "Jan Feb Mar Apr Mei Jun Jul Agu Sep Okt Nov Des",
		"de, in full": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
		"fr, in full": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
		"es, in full": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
		"pt, in full": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
		"ru, in full": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
		"pl, in full": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
		"ru, CLDR":    "янв. февр. мар. апр. мая июн. июл. авг. сент. окт. нояб. дек.",
		"uk, CLDR":    "січ. лют. бер. квіт. трав. черв. лип. серп. вер. жовт. лист. груд.",
		"fi, in full": "tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesäkuuta heinäkuuta elokuuta syyskuuta lokakuuta marraskuuta joulukuuta",
		"sk, in full": "januára februára marca apríla mája júna júla augusta septembra októbra novembra decembra",
		"sr":          "јануар фебруар март април мај јун јул август септембар октобар новембар децембар",
		"hi":          "जनवरी फ़रवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर अक्टूबर नवंबर दिसंबर",
		"tr, in full": "Ocak Şubat Mart Nisan Mayıs Haziran Temmuz Ağustos Eylül Ekim Kasım Aralık",
	}
	for lang, list := range months {
		for i, name := range strings.Fields(list) {
			month := time.Month(i + 1)
			want := time.Date(2026, month, 3, 4, 5, 6, 0, time.UTC)
			if want.After(logRef) {
				want = want.AddDate(-1, 0, 0)
			}
			for _, spelled := range []string{name, strings.TrimSuffix(name, ".") + ".", " " + name, strings.ToUpper(name), strings.ToLower(name)} {
				checkStamp(t, lang, spelled+" 03 04:05:06 gate kernel: ", want)
			}
			full := time.Date(2026, month, 3, 4, 5, 6, 0, time.UTC)
			checkStamp(t, lang, name+" 03 04:05:06.5 2026 gate kernel: ", full.Add(500*time.Millisecond))
			checkStamp(t, lang, fmt.Sprintf("[Fr %s  3 04:05:06 2026] ", name), full)
			checkStamp(t, lang, fmt.Sprintf("kern.log:3:%s 03 04:05:06 gate kernel: ", name), want)
		}
	}
}

func checkStamp(t *testing.T, lang, head string, want time.Time) {
	t.Helper()
	var ev Event
	err := LogLine([]byte(head+synRecord), logRef, &ev)
	if err != nil || !ev.Time.Equal(want) || ev.Origin != OriginKernel || string(ev.Prefix) != "DROP " {
		t.Errorf("%s: %q: %v, origin %d, prefix %q, %v; want %v", lang, head, ev.Time, ev.Origin, ev.Prefix, err, want)
	}
}

func TestLocalWeekdays(t *testing.T) {
	want := time.Date(2026, 11, 20, 4, 5, 6, 0, time.UTC)
	for lang, day := range map[string]string{
		"de": "Fr", "fr": "ven.", "es": "vie", "it": "ven", "pt": "sex", "nl": "vr", "pl": "pią", "cs": "Pá", "ru": "Пт",
		"uk": "пт", "sv": "fre", "nb": "fre.", "da": "fre", "fi": "pe", "hu": "p", "tr": "Cum", "ja": "金", "zh": "五",
		"ko": "금", "el": "Παρ", "ro": "vi", "de, in full": "Freitag", "fr, in full": "vendredi", "vi": "Thứ 6", "hi": "शुक्रवार", "ja, in full": "金曜日", "zh, in full": "星期五",
	} {
		checkStamp(t, lang, "["+day+" Nov 20 04:05:06 2026] ", want)
		checkStamp(t, lang, "["+day+" 11月 20 04:05:06 2026] ", want)
		checkStamp(t, lang, day+" 2026-11-20 04:05:06 UTC gate kernel: ", want)
		checkStamp(t, lang, day+" 2026-11-20 04:05:06.000000 +00 gate kernel: ", want)
	}
}

func TestLocalNamesOfTwoWords(t *testing.T) {
	checkStamp(t, "ca", "de nov. 03 04:05:06 gate kernel: ", time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC))
	checkStamp(t, "ar", "تشرين الثاني 03 04:05:06 gate kernel: ", time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC))
	for i := 1; i <= 12; i++ {
		at := time.Date(2026, time.Month(i), 3, 4, 5, 6, 0, time.UTC)
		checkStamp(t, "vi", fmt.Sprintf("[Thứ 6 tháng %d 03 04:05:06 2026] ", i), at)
		checkStamp(t, "vi", fmt.Sprintf("03 Tháng %d 2026 04:05:06 gate kernel: ", i), at)
		checkStamp(t, "vi", fmt.Sprintf("thg %d 03 04:05:06 2026 gate kernel: ", i), at)
	}
	checkStamp(t, "hr", "studenoga 03 04:05:06 gate kernel: ", time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC))
	checkStamp(t, "ar", "[ج تشرين الثاني  3 04:05:06 2026] ", time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC))
}

// TestLocalNamesRefused: a word that is no name of a month gives no time, nor does
// one that two languages of equal rank use for different months.
func TestLocalNamesRefused(t *testing.T) {
	for _, name := range []string{"", ".", "foo", "novem", "no", "sad", "\xff\xfe", strings.Repeat("x", 99), strings.Repeat("ı", 30)} {
		var ev Event
		if err := LogLine([]byte(name+" 20 04:05:06 gate kernel: "+synRecord), logRef, &ev); err != nil || !ev.Time.IsZero() {
			t.Errorf("%q: %v, %v", name, ev.Time, err)
		}
	}
	if month, _ := lookupName([]byte("f\xe9vr."), 0, 5); month != 2 {
		t.Errorf("Latin-1: %d, want February", month)
	}
}

// TestNamesTable holds the table to what the search in it relies on.
func TestNamesTable(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(names, "\n"), "\n")
	if !slices.IsSorted(lines) || len(lines) < 1500 {
		t.Fatalf("%d names, or not sorted", len(lines))
	}
	for _, l := range lines {
		name, kind, ok := strings.Cut(l, "\t")
		if !ok || len(name) > maxName || len(kind) != 2 || hexValue[kind[0]] > 12 {
			t.Errorf("%q", l)
		}
		month, day := lookupName([]byte(name), 0, len(name))
		if month != int(hexValue[kind[0]]) || day != (kind[1] == 'w') {
			t.Errorf("%q: found %d, %t", l, month, day)
		}
	}
}

func BenchmarkLocalStamp(b *testing.B) {
	benchLines(b, "French", []byte("nov. 20 21:00:05 gate kernel: "+synRecord))
	benchLines(b, "dmesg -T, German", []byte("[Fr Nov 20 21:00:05 2026] "+synRecord))
	benchLines(b, "grep -H", []byte("kern.log.1:Nov 20 21:00:05 gate kernel: "+synRecord))
}
