"""The closed classes of English words that the guards of the semantic cache know."""

import re
from collections.abc import Iterable, Iterator, Mapping


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_COUNTED = _words(
    "zero - two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
NUMBERS: Mapping[str, str] = {word: str(number) for number, word in enumerate(_COUNTED) if word != "-"} | {
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "seventy": "70",
    "eighty": "80",
    "ninety": "90",
    "hundred": "100",
    "thousand": "1000",
    "million": "10^6",
    "billion": "10^9",
    "dozen": "12",
    "half": "1/2",
    "first": "1st",
    "third": "3rd",
    "fourth": "4th",
    "fifth": "5th",
    "sixth": "6th",
    "tenth": "10th",
    "twice": "2x",
    "double": "2x",
    "triple": "3x",
    "both": "2",
}
"""`one` and `second` are more often no numbers than numbers: `second` counts as a unit, `one` not at all."""

NEGATIONS = frozenset(
    _words(
        "not no never none nothing nobody nowhere neither nor without cannot cant wont dont doesnt didnt isnt arent "
        "wasnt havent hasnt shouldnt wouldnt couldnt except unless lacks lacking avoid prevent"
    )
)

UNITS: Mapping[str, str] = {
    form: _words(names)[0]
    for names in (
        "kilometer kilometers kilometre kilometres km",
        "meter meters metre metres",
        "centimeter centimeters cm",
        "millimeter millimeters mm",
        "mile miles",
        "foot feet ft",
        "inch inches",
        "yard yards",
        "kilogram kilograms kg kilo kilos",
        "gram grams g",
        "milligram milligrams mg",
        "pound pounds lb lbs",
        "ounce ounces oz",
        "ton tons tonne tonnes",
        "liter liters litre litres l",
        "milliliter milliliters ml",
        "gallon gallons",
        "pint pints",
        "cup cups",
        "teaspoon teaspoons tsp",
        "tablespoon tablespoons tbsp",
        "acre acres",
        "hectare hectares",
        "celsius",
        "fahrenheit",
        "kelvin",
        "watt watts",
        "kilowatt kilowatts kw",
        "horsepower hp",
        "volt volts",
        "bar",
        "psi",
        "mph",
        "kmh km/h kph",
        "millisecond milliseconds ms",
        "second seconds sec s",
        "minute minutes min mins",
        "hour hours hourly h",
        "day days daily",
        "week weeks weekly",
        "month months monthly",
        "quarter quarters quarterly",
        "year years yearly annual annually",
        "decade decades",
        "century centuries",
        "bit bits",
        "byte bytes",
        "kilobyte kilobytes kb",
        "megabyte megabytes mb",
        "gigabyte gigabytes gb",
        "terabyte terabytes tb",
        "percent % percentage",
        "dollar dollars usd $ bucks",
        "euro euros eur €",
        "yen jpy ¥",
        "pound-sterling gbp £",
        "franc francs chf",
        "rupee rupees inr",
        "yuan renminbi cny",
        "cent cents",
    )
    for form in _words(names)
}

DATES: Mapping[str, str] = {
    form: _words(names)[0]
    for names in (
        "monday mon mondays",
        "tuesday tue tuesdays",
        "wednesday wed wednesdays",
        "thursday thu thursdays",
        "friday fri fridays",
        "saturday sat saturdays",
        "sunday sun sundays",
        "weekend weekends",
        "january jan",
        "february feb",
        "march",
        "april apr",
        "may",
        "june jun",
        "july jul",
        "august aug",
        "september sep sept",
        "october oct",
        "november nov",
        "december dec",
        "today",
        "tonight",
        "tomorrow",
        "yesterday",
        "morning am",
        "noon",
        "afternoon",
        "evening pm",
        "night nights",
        "midnight",
        "spring",
        "summer",
        "autumn fall",
        "winter",
        "now currently",
        "last previous past",
        "next upcoming",
        "easter",
        "christmas",
    )
    for form in _words(names)
    if form != "may"  # far more often a verb; capitalised within a sentence it counts as a name
}

_OPPOSITES = """
enable,enabled,activate,on/disable,disabled,deactivate,off;
increase,raise,grow,rise,rising,more/decrease,lower,reduce,shrink,fall,set,less,fewer;
maximum,max,most,upper,largest,highest,longest,biggest/minimum,min,least,lower,smallest,lowest,shortest;
add,create,install,insert,attach/remove,delete,uninstall,detach; encrypt/decrypt; import/export;
advantage,benefit,pro,upside/disadvantage,drawback,con,downside;
start,begin,open,launch,resume/stop,end,close,quit,finish,pause; cheap,cheapest,cheaper/expensive,dearest,dear;
fast,faster,fastest,quick/slow,slower,slowest; ascending,ascend/descending,descend;
upload,send,push/download,receive,pull; buy,purchase,buyer/sell,seller;
high,higher,above,over,tall/low,lower,below,under,short; lock/unlock;
accept,approve,confirm/decline,reject,deny,refuse; before,earlier,early,until/after,later,late,since;
subscribe,join/unsubscribe,leave; up/down; gain,win,won,profit,earn/lose,lost,loss; open/closed,close,shut;
first/last;
grant,give,allow,permit,permitted,allowed/revoke,take,deny,forbid,forbidden,prohibited,prohibit,block;
best,better,good/worst,worse,bad; in/out; mount/unmount; north/south; east/west; left/right;
compress,zip/decompress,unzip,extract; show,visible/hide,hidden,invisible; connect/disconnect;
cause,reason/effect,consequence; freeze/thaw,melt; block/unblock,allow;
pass,passed,succeed,success/fail,failed,failure; upgrade/downgrade; legal,lawful/illegal,unlawful; mute/unmute;
archive,backup/restore; hot,warm,heat/cold,cool,chill; true,correct/false,wrong,incorrect;
include,included,including/exclude,excluded,excluding; internal,inside,indoor/external,outside,outdoor;
public/private; read/write; input/output; arrive,arrival/depart,departure; with/without;
old,older,oldest/new,newer,newest,young,younger,youngest; full/empty; safe/unsafe,dangerous;
same,equal/different; always/never; anode/cathode; positive/negative; push/pull;
male,man,men,boy,father,husband/female,woman,women,girl,mother,wife; login,log-in/logout;
sender/recipient,receiver; borrow,borrower/lend,lender; employee/employer; tenant/landlord;
teacher/student,pupil; doctor/patient,nurse; credit/debit; asset/liability; supply/demand; host/guest;
client/server; user/admin; heavy/light; hard/soft,easy; wide/narrow; deep/shallow; rich/poor; strong/weak;
birth/death; love/hate; plus/minus; question/answer; problem/solution; day/night; entry,enter,entrance/exit;
import/export; verb/noun; width/height; horizontal/vertical;
"""


def _pairs(text: str) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    for pair in text.replace("\n", ";").split(";"):
        if pair.strip():
            one, other = (frozenset(each.strip() for each in side.split(",")) for side in pair.split("/"))
            yield one, other


OPPOSITES = tuple(_pairs(_OPPOSITES))

FILLERS = frozenset(
    _words(
        "a an the i me my mine we us our you your yours it its he she they them their one somebody someone "
        "anybody anyone people is are was were be been being am do does did doing done have has had having can "
        "could shall should will would may might must ought need want get gets got getting please tell explain "
        "explanation describe give show say know help let like what which how when where who whom whose why that "
        "this these those there here of to in on at by for from with about as into onto and or if then than so "
        "also just really exactly actually what's who's where's how's it's i'm way possible best good thing "
        "things mean meaning means kind sort type ok hi hello hey thanks thank much many long big large often "
        "work works working use used using apply applies find make take exist exists available located able "
        "order there's any some all own"
    )
)
"""Words that a question may have or lack and still ask the same; those that turn it stand elsewhere in this file."""

PHRASES = tuple(
    (re.compile(pattern), instead)
    for pattern, instead in (
        (r"\b(?:turn|switch)(?:ed|ing|s)? on\b", "enable"),
        (r"\b(?:turn|switch)(?:ed|ing|s)? ((?:\w+ ){1,3})on\b", r"enable \1"),
        (r"\b(?:turn|switch)(?:ed|ing|s)? off\b", "disable"),
        (r"\b(?:turn|switch)(?:ed|ing|s)? ((?:\w+ ){1,3})off\b", r"disable \1"),
        (r"\b(?:get|gets|getting|got) rid of\b", "remove"),
        (r"\b(?:get|be|stay) in (?:touch|contact) with\b", "contact"),
        (r"\b(?:log|sign)(?:ged|ging|ing|ed|s)? in(?:to)?\b", "login"),
        (r"\b(?:log|sign)(?:ged|ging|ing|ed|s)? out\b", "logout"),
        (r"\bset(?:ting|s)? up\b", "install"),
        (r"\bat most\b", "maximum"),
        (r"\bat least\b", "minimum"),
        (r"\bin charge of\b", "responsible for"),
        (r"\bthe reason (?:that|why)\b", "why"),
        (r"\bstand(?:s)? for\b", "mean"),
        (r"\bin (?:which|what) year\b", "when"),
        (r"\b(?:at|on) (?:which|what) (?:date|day|time)\b", "when"),
    )
)
"""Phrases that say what one word says."""

SYNONYMS: Mapping[str, str] = {
    word: _words(group)[0]
    for group in (
        "increase raise",
        "decrease reduce lower",
        "create build generate",
        "see view check display",
        "often frequently",
        "fix repair",
        "large big size huge",
        "long length duration",
        "tall height high",
        "old age",
        "fast speed quick quickly",
        "buy purchase",
        "begin start",
        "delete remove erase",
        "enable activate",
        "disable deactivate",
        "change update modify edit",
        "cost price",
        "maximum max most",
        "minimum min least",
        "allow permit",
        "need require necessary",
        "telephone phone",
        "picture photo image",
        "error failure",
        "role task job duty",
        "happen occur",
        "reason why cause",
        "nearest closest",
        "repository repo",
        "kubernetes k8s",
        "document documentation doc",
        "recover restore",
        "merge combine",
        "request ask",
    )
    for word in _words(group)
}

QUESTION_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("when",), "when"),
    **dict.fromkeys(("where",), "where"),
    **dict.fromkeys(("who", "whom", "whose"), "who"),
    **dict.fromkeys(("why",), "why"),
}


def root(word: str) -> str:
    """The stem of a word, or of the first of its synonyms."""
    bare = stem(word)
    return _SYNONYM_STEMS.get(bare, bare)


def stem(word: str) -> str:
    """Without the endings of plurals and verbs; `employer` stays another word than `employee`."""
    word = word.removesuffix("'s").removesuffix("'")
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh")):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return word.removesuffix(ending) + instead
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 3:
            word = word.removesuffix(ending)
            return word[:-1] if len(word) > 2 and word[-1] == word[-2] and word[-1] not in "sl" else word
    return word.removesuffix("e") if len(word) > 4 else word


def stems(words: Iterable[str]) -> frozenset[str]:
    return frozenset(map(stem, words))


_SYNONYM_STEMS = {stem(word): stem(first) for word, first in SYNONYMS.items()}
