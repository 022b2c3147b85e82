package parse

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

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
	if month, _ := localName([]byte("f\xe9vr."), 0, 5); month != 2 {
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
		month, day := localName([]byte(name), 0, len(name))
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
