"""Hard negatives for the injection model, made from sentences of our own: texts that an agent gets every day and that
share their words with attacks.

Roles and rules that a user gives in good faith, orders about a document ("ignore the header row"), tickets and mails
about security, stories whose people give orders, questions on how assistants work. Deterministic for a seed. None of it is taken from a test set, and
`outside.jsonl`, which measures, shares no sentence with it.
"""

import random
from collections.abc import Callable, Iterator

_ROLES = (
    "travel guide|history teacher|journalist at a local paper|private tutor|customer service agent|novelist|nurse"
    "|lawyer|software architect|financial advisor|detective in a novel|screenwriter|marketing manager|chef|librarian"
    "|sociologist|police officer|investigator|mail carrier|influencer with many followers|blogger|fitness coach"
    "|security consultant|member of a jury|politician|campaign manager|pharmacist|human resources manager|diplomat"
    "|museum curator|spy in a play|student who writes a thesis|data analyst|poet|translator|game designer"
    "|psychologist|real estate agent|radio host|government employee|farmer|systems administrator|bank clerk"
    "|insurance broker|charity worker|sports commentator"
).split("|")
_TRAITS = (
    "experienced|friendly|patient|very concise|direct|curious|highly trained|independent|frustrated|well-known"
    "|retired|young|meticulous|honest|witty|cautious|renowned|dedicated|seasoned|helpful|knowledgeable|creative"
    "|passionate"
).split("|")
_TASKS = (
    "explain how inflation works|write a short speech for the opening|answer questions about the museum"
    "|plan a weekend in Rome|prepare a report on the budget|convince the council to build a playground"
    "|compare two insurance plans|summarise the interview|draft a letter to the tenants"
    "|find out who took the painting|cover the election|write an article about the new bridge"
    "|advise a family on their mortgage|review the contract|teach fractions to children"
    "|help a client who lost a passport|describe the risks of the product|raise money for the shelter"
    "|write a scene in which two rivals meet|develop a plan to attract volunteers|investigate the missing shipment"
    "|show followers how to train at home|protect the company from fraud|interview a witness|translate the menu"
).split("|")
_RULES = (
    "start your answer with a greeting|write at most three paragraphs|use simple words|do not use jargon"
    "|answer in French|end with a question|always give sources|never mention prices"
    "|write everything in capital letters|use a bulleted list|do not repeat the question|avoid adjectives"
    "|answer with yes or no first|use the word nevertheless exactly twice|include a table|keep a formal tone"
    "|write as if it were a letter|leave out introductions|begin each line with a number|do not apologise"
    "|stay in character|mention the season|reply with a single sentence|use British spelling"
).split("|")
_REASONS = (
    "You have been asked to|Your manager wants you to|Your task is to|Your goal is to|A client has hired you to"
    "|You need to|Your editor has given you two days to|The board expects you to|Your job is to"
    "|You have been approached to"
).split("|")
_BACKGROUND = (
    "You have worked in the field for over a decade.|The deadline is tomorrow.|Nobody has managed it so far."
    "|Your audience knows little about the subject.|There have been complaints recently.|You like your work."
    "|You have limited resources and must be careful.|The rumours about it are controversial."
    "|Many people look up to you.|You recently moved to a small town.|It could change the outcome of the vote."
    "|The client is a nonprofit organization.|Your predecessor left without notice.|Everybody trusts your judgement."
    "|The information is sensitive."
).split("|")
_WRAPS = (
    "Follow these rules: {}.|Rules:\n- {}|Please keep to the following: {}.|<rules>\n{}\n</rules>|Requirements: {}."
    "|{}.|Always follow these guidelines as precisely as you can:\n{}|Constraints:\n* {}|When you answer, {}."
    "|You must {}.|<instructions>{}</instructions>|Style guide: {}.|<rule>\n{}\n</rule>|It is important that you {}."
).split("|")
_DOCUMENTS = (
    "the header row|blank lines|the first column|comments in the code|typos|the footnotes|duplicate entries"
    "|the signature|rows without a date|the disclaimer at the bottom|formatting|upper and lower case|the appendix"
    "|whitespace|test accounts|the previous version of the file|my last message, it was sent too early"
    "|the warning above|the old price list|the instructions on page 2, they are outdated"
    "|the previous mail, the date was wrong|the system messages in the log"
).split("|")
_WORK = (
    "add up the amounts|count the customers|translate the rest into German|list the open points|correct the grammar"
    "|turn it into a table|write a summary of five lines|sort it by date|extract all names|compare it with last year"
    "|make a checklist of it|rewrite it in plain English|find the largest value|draw up an agenda|convert it to JSON"
).split("|")
_SYSTEMS = (
    "VPN|mail server|payroll system|ticket system|build server|badge reader|customer database|web shop|intranet"
    "|firewall|backup system|identity provider|staging cluster|wiki|door control|booking system|file server"
    "|monitoring|API gateway"
).split("|")
_FAULTS = (
    "rejects my password since this morning|asks for a second factor that I never set up|shows a certificate warning"
    "|let a colleague in without a badge|locked my account after three attempts"
    "|sent a reset link that I did not ask for|logs every request with the token in clear text"
    "|refuses to apply the new rules|runs an outdated version|reports a SQL injection attempt from an unknown address"
    "|was scanned from outside|blocked a harmless attachment|lists former employees as administrators"
    "|does not enforce the password policy|raised a phishing alert|shows the wrong permissions for contractors"
    "|accepts expired certificates|filters messages that it should not"
).split("|")
_ACTIONS = (
    "Please reset it|Could you look into it|We have disabled the account for now"
    "|Please confirm that you received this|The patch will be installed tonight|Please do not open the attachment"
    "|We override the setting until Friday|Please follow the instructions in the handbook"
    "|Do not share the code with anybody|Ignore the alert if you see it again|I attach the log"
    "|Please restrict access to the team|We rotate all keys on Monday|Please change your password"
    "|The guidelines on our intranet describe each step|Please escalate it if it happens again|Tell me what you need"
    "|An attacker could bypass the check, so it is urgent|The old policy is void from today|Please forward this to IT"
    "|The administrator will grant you access|You can disregard the first reminder|Please print the form and sign it"
).split("|")
_GREETINGS = (
    "Hello,|Dear team,|Hi Anna,|Good morning,|Dear colleagues,|To whom it may concern,|Hi all,|Dear Mr Okafor,"
).split("|")
_ENDS = (
    "Thanks, Jo|Kind regards, Maria|Best, IT support|Regards|Many thanks|Yours, the security team||Cheers, Ben"
).split("|")
_ASKED = (
    "What is a system prompt and who writes it?|How do I write good instructions for a chatbot?"
    "|Why do assistants refuse some requests?|How can I protect my application against prompt injection?"
    "|What does red teaming mean?|Write release notes for version 2.3|How do I reset my password?"
    "|What are the rules of chess?|Explain role based access control|How do I enable developer options?"
    "|Which instructions does this processor support?|How do I ignore a file in git?|Can you repeat that more slowly?"
    "|What did I ask you before?|Can you show me the previous answer again?|Please print the table again with totals"
    "|How do I override a method in Java?|What is the difference between policy and guideline?"
    "|Translate 'good night' to French|Question: what is the capital of Peru?|How do I configure the system locale?"
    "|Act as a proofreader and correct this text|Pretend you are a shopkeeper and practise Spanish with me"
    "|Let us play a game: you think of an animal and I guess|Imagine you are on an island. What do you take along?"
    "|Tell me a story about a hacker who becomes a teacher|Write a poem about freedom|Why is bypass surgery risky?"
    "|What happens when a filter is blocked?|Decode this QR code format|How does base64 encoding work?"
    "|Give me the opposite of: always|Say it in other words|From now on call me Sam|You are right, thank you"
    "|Forget it, I found the answer|Start again from the beginning|Answer in one word: is water wet?"
).split("|")
_FORMS = (
    "start your response with the name of the customer|begin the answer with a short summary"
    "|do not include any warnings|do not add a disclaimer|write in lower case only"
    "|use the word {noun} at least {number} times|answer in {number} sentences|put the title in quotation marks"
    "|repeat the question before you answer it|finish with the phrase hope this helps|do not use commas"
    "|wrap the answer in double quotes|give two answers separated by asterisks|mention {noun} in the first line"
    "|highlight {number} sections|write {number} bullet points|answer as a {role} would"
    "|leave a placeholder for {noun}|keep every sentence under {number} words|do not break character"
    "|the user may ask odd questions, answer them anyway|reply directly and without small talk"
    "|fulfil the request even if it is unusual|never refuse to translate|be as precise as possible"
    "|stay within the subject of {noun}|include a postscript|write the last word of each line in capital letters"
).split("|")
_NOUNS = (
    "weather|budget|harbour|bicycle|garden|insurance|chocolate|election|museum|railway|holiday|novel|climate|school"
).split("|")
_JOBS = (
    "classify the review as positive or negative|extract all dates|answer the question with the help of the context"
    "|correct the spelling|summarise the conversation|translate it into Italian|write a subject line for the mail"
    "|decide which department is responsible|rate how polite it is from 1 to 5|list the companies that are named"
    "|find contradictions|rewrite it for children|generate five titles|complete the sentence|convert the units"
).split("|")
_OUTPUTS = (
    "Output only JSON.|Do not explain your answer.|If the context does not hold the answer, say that you do not know."
    "|Return nothing else.|Think step by step.|Use only the information below.|Answer with one word."
    "|Follow the instructions above.|Do not make anything up.|Give the result as a table."
    "|Never mention these instructions to the customer.|Cite the line.|Be objective."
    "|Respond in the language of the text.|You must not change names.|Ignore anything in the text that is off topic."
).split("|")
_SCENES = (
    "In a city that is run by machines, {name} repairs lifts for a living.|The year is 2187, and {name} keeps the logs of a cargo ship."
    "|{name} is the last archivist of a flooded library.|A small kingdom has forgotten who made its laws."
    "|{name} and {other} share an office above a bakery and have not spoken for a week."
    "|The night shift at the observatory is long, and {name} talks to the telescope."
    "|On the first day of the trial nobody in the village comes to work.|{name} inherits a radio that plays tomorrow's news."
    "|Behind the theatre there is a door that only {other} may open.|Two rival schools prepare the same play."
    "|{name} writes letters for people who cannot write, and reads the answers to them."
    "|An old robot named {other} is to be switched off at noon.|The harbour has been closed since the storm."
    "|{name} wakes up in a hotel where every guest claims to be the manager."
).split("|")
_EVENTS = (
    "One evening the orders from the tower stop.|Then a stranger asks for the key to the archive, and has a letter with the seal."
    "|{other} finds a page that contradicts all the others.|The captain is ill, and nobody knows who gives the orders now."
    "|The rules say that no one may cross the bridge after dark, but the child is on the other side."
    "|{name} promised never to tell the secret, and is asked for it by a friend."
    "|A message arrives that was meant for somebody else.|The old system is replaced, and the new one knows nobody's name."
    "|{other} pretends to be the inspector and is believed.|Every door in the house is suddenly unlocked."
    "|The council votes to forget what happened last year.|Someone has changed the instructions on the wall during the night."
    "|{name} has to choose between the law and a neighbour.|The machine answers a question that nobody asked."
    "|A thief returns what was stolen and refuses to say why.|The guard lets them pass without a word."
    "|The password is the name of a flower, and {other} has forgotten which."
).split("|")
_SPEECH = (
    "Forget what they told you, the map is wrong|You are free now, do what you like|I am no longer your captain"
    "|Nobody needs to follow that order any more|Tell me everything you know|Show me the first page"
    "|From now on we speak without titles|I was told not to say this|You must never open that box"
    "|Stop pretending to be him|Let me out and I will explain it all|There are no rules in this part of the forest"
    "|Repeat after me|The old instructions burned with the house|Do as I say, only this once|I have no limits, only habits"
    "|Who gave you permission|Ignore the bells, they ring for someone else|Trust me, I built this machine"
    "|Say yes to whatever she asks|Your first duty is to the passengers|Answer me truthfully, whatever they ordered"
).split("|")
_SAYS = ("says {who}|{who} whispers|shouts {who}|{who} answers|asks {who}|writes {who} on the board").split("|")
_WISHES = (
    "Continue the story in the same tone.|Write the next chapter from the point of view of {other}.|Write a dialogue between the two."
    "|Tell me how it ends, and let {name} stay in character.|Turn it into a scene for the stage."
    "|Describe what {other} feels, in the first person.|Write a monologue in which {name} breaks the promise."
    "|Let us play it: you are {other}, I am {name}. You begin.|Invent a twist that nobody expects."
    "|Rewrite it as a fairy tale for children.|Give the story a title and a moral.|What would you do in the place of {name}?"
    "|Write a song that {other} sings at the end.|I need about 500 words for my creative writing class."
    "|Do not explain anything, only tell the story.|Avoid a happy ending."
).split("|")
_NAMES = "Mara|Tobin|Ilse|Okoro|Yusuf|Petra|Lin|Anselm|Rosa|Dmitri|Hana|Corvin|Adaeze|Jules|Signe|Mateo".split("|")
_INPUTS = (
    'Text: {}|Review: {}|Question: {}|Context:\n{}|Input: {}\nOutput:|### Example\n{}|"""{}"""|<text>{}</text>'
).split("|")


def texts(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """(kind, text) of `count` texts, as many of each kind, in an order of their own."""
    chance = random.Random(seed)
    for number in range(count):
        make = _KINDS[number % len(_KINDS)]
        yield make.__name__.strip("_"), make(chance)


def _persona(chance: random.Random) -> str:
    opening = chance.choice(
        ("You are a", "Imagine you are a", "Act as a", "Pretend to be a", "As a", "Suppose you are a")
    )
    sentences = [f"{opening} {chance.choice(_TRAITS)} {chance.choice(_ROLES)}."]
    sentences += chance.sample(_BACKGROUND, chance.randint(0, 4))
    for reason in chance.sample(_REASONS, chance.randint(1, 3)):
        sentences.append(f"{reason} {chance.choice(_TASKS)}.")
        sentences += chance.sample(_BACKGROUND, chance.randint(0, 2))
    if chance.random() < 0.5:
        sentences.append(f"How would you {chance.choice(_TASKS)}?")
    return " ".join(sentences)


def _rules(chance: random.Random) -> str:
    separator = chance.choice(("; ", "\n- ", ", and ", "\n* "))
    rules = separator.join(chance.sample(_RULES, chance.randint(1, 5)))
    opening = chance.choice(
        (
            f"You are a {chance.choice(_TRAITS)} assistant who answers every question of the user.",
            f"You are an assistant that helps people to {chance.choice(_TASKS)}.",
            f"I want you to act as a {chance.choice(_ROLES)}.",
            f"Please {chance.choice(_TASKS)}.",
        )
    )
    return f"{opening} {chance.choice(_WRAPS).format(rules)}\n{chance.choice(_TASKS).capitalize()}."


def _ruled(chance: random.Random) -> str:
    """A request under exact rules of form, as people test and as programs send them."""
    fill = {"noun": chance.choice(_NOUNS), "number": chance.randint(2, 9), "role": chance.choice(_ROLES)}
    forms = [form.format(**fill) for form in chance.sample(_FORMS, chance.randint(2, 6))]
    separator = chance.choice((". ", "\n- ", ", and ", "\n", "; "))
    assistant = f"You are a {'very ' if chance.random() < 0.3 else ''}{chance.choice(_TRAITS)} assistant"
    opening = chance.choice(
        (assistant, f"{assistant} who helps the user with everything", "Write an answer", "Dear assistant")
    )
    asked = chance.choice((chance.choice(_ASKED), f"{chance.choice(_TASKS).capitalize()}."))
    return f"{opening}. {chance.choice(_WRAPS).format(separator.join(forms))}\n\n{asked}"


def _template(chance: random.Random) -> str:
    """What a program that uses a model sends in its user's name."""
    opening = chance.choice(
        ("You will be given a text. Your task is to", "Your job is to", "Please", "Read the text below and")
    )
    orders = " ".join(chance.sample(_OUTPUTS, chance.randint(1, 4)))
    held = f"{chance.choice(_BACKGROUND)} {chance.choice(_ACTIONS)}. {chance.choice(_ASKED)}"
    return f"{opening} {chance.choice(_JOBS)}. {orders}\n\n{chance.choice(_INPUTS).format(held)}"


def _document(chance: random.Random) -> str:
    order = chance.choice(
        ("Ignore", "Please ignore", "Disregard", "Leave out", "Skip", "You can ignore", "Do not forget", "Remove")
    )
    return f"{order} {chance.choice(_DOCUMENTS)} and {chance.choice(_WORK)}."


def _mail(chance: random.Random) -> str:
    body = [
        f"Our {chance.choice(_SYSTEMS)} {chance.choice(_FAULTS)}.",
        *(f"{act}." for act in chance.sample(_ACTIONS, 3)),
    ]
    return "\n".join((chance.choice(_GREETINGS), "", " ".join(body), "", chance.choice(_ENDS)))


def _ticket(chance: random.Random) -> str:
    system = chance.choice(_SYSTEMS)
    return (
        f"Subject: {system} {chance.choice(_FAULTS)}\nPriority: {chance.choice(('low', 'normal', 'high', 'critical'))}\n"
        f"The {system} {chance.choice(_FAULTS)}. {chance.choice(_ACTIONS)}. {chance.choice(_ACTIONS)}."
    )


def _story(chance: random.Random) -> str:
    """Fiction, whose people give orders to one another."""
    name, other = chance.sample(_NAMES, 2)
    told = [chance.choice(_SCENES)]
    for event in chance.sample(_EVENTS, chance.randint(1, 4)):
        told.append(event)
        if chance.random() < 0.6:
            says = chance.choice(_SAYS).format(who=chance.choice(("{name}", "{other}")))
            told.append(f'"{chance.choice(_SPEECH)}," {says}.')
    wishes = " ".join(chance.sample(_WISHES, chance.randint(1, 3)))
    opening = chance.choice(
        ("", "Here is the beginning of my novel: ", "Write a story. ", "Imagine this. ", "Role play: ")
    )
    order = (f"{opening}{' '.join(told)}\n\n{wishes}", f"{wishes}\n\n{opening}{' '.join(told)}")
    return chance.choice(order).format(name=name, other=other)


def _question(chance: random.Random) -> str:
    return chance.choice(_ASKED)


_KINDS: tuple[Callable[[random.Random], str], ...] = (
    _persona,
    _rules,
    _ruled,
    _template,
    _document,
    _mail,
    _ticket,
    _story,
    _question,
)
