"""
What tokenizers make of English words: measured, and read by `tokens`.

The figures are fitted to what SmolLM2's tokenizer makes of 18,000 words, and checked with those of Llama 2 and 3,
Gemma 3 and GPT-4o: English by how often it comes in texts and code, other languages, identifiers, and letters at
random. Its vocabulary is small, so nearly all others need fewer tokens.
"""

from __future__ import annotations

from typing import Final

#: A row for each letter: how many tenths of a token it costs that the column's letter follows it in a
#: word that is not among `COMMON`. Letters that rarely stand together are rarely in one token.
PAIRS: Final = (
    b"74127616566130969122738426",
    b"46551744439069169326299539",
    b"29571993691057058270449619",
    b"46652596394516359717572379",
    b"68445758899453854244656349",
    b"49881449399465059453591357",
    b"59693945599543599256599958",
    b"47892998499875469576396847",
    b"34124139896450336422648475",
    b"49994999753998669919699999",
    b"66893928597737699668897959",
    b"47873989398187389927758819",
    b"34861948299536227627469649",
    b"58254749676996467733769566",
    b"71447436685241639042262237",
    b"29970781599376239130558519",
    b"69999999899699996988099999",
    b"36571746494642259635556619",
    b"59393684496376339602476929",
    b"48862392484775359116586515",
    b"75264747575322829232868397",
    b"59980989499688599999958959",
    b"59992990699994469329887459",
    b"89999999899799979966999539",
    b"69887999989896959889999989",
    b"69994979999999899997799945",
)
#: What such a word costs beside its pairs.
BASE: Final = 0.94
#: What it costs less for one of these at its end, and at its beginning.
ENDS: Final = {
    b"able": 0.9,
    b"ions": 1.2,
    b"ment": 0.8,
    b"tion": 1.2,
    b"ate": 0.7,
    b"ers": 1.0,
    b"ing": 1.2,
    b"ity": 1.2,
    b"ive": 1.2,
    b"ous": 1.2,
    b"al": 0.7,
    b"ed": 1.2,
    b"er": 0.3,
    b"es": 0.7,
    b"ly": 1.2,
}
BEGINNINGS: Final = {
    b"inter": 0.4,
    b"over": 1.2,
    b"com": 0.8,
    b"con": 0.4,
    b"dis": 0.6,
    b"pre": 0.6,
    b"pro": 0.5,
    b"sub": 1.1,
    b"de": 0.2,
    b"ex": 1.1,
    b"im": 0.5,
    b"in": 0.3,
    b"re": 0.5,
    b"un": 0.3,
}
#: Words that are one token nearly everywhere, where the above would say more …
COMMON: Final = frozenset(
    b"""
abc abilities ability able about above absolute abstract academic accept access accessible according account
accounts activities actual actually adam add added additional address adult advanced affected after again
against age agency agent agents ago agree ahead aid aim air aircraft algorithm alias align alive all allow
allows almost alone along already also alt alternative although always american among amount analysis anchor
and animal animals annotation annotations annual another answer anti any apart api app append apple
application applied apply appointed appropriate approved approximately arch are area areas arg args argument
arguments arm armed arms around array arrays arrow art article articles artist arts as ask asks assert
assessment assets assignment associated async attack attacks attempt attention attr attribute attributes
audio auth author authors auto availability available average avoid await aware awareness away baby back
backend background backward bad balance ball band bank banks bar base based bases basic basis bear beat
because bed been before begin behavior being belief below benchmark benefit best better between big bill
billion bin binary bind biological biology bird birds birth bishop bit bits black block blocks blood blue
board boards boat body bold bomb book books bool boolean boost border both bottom bought bound boxes boy boys
br brain branch brand bread break breaking breaks bridge brief bright bringing broad broken brother brown
browser budget buf buffer bug bugs build builder building built business but button buy by byte bytes cache
calendar call callback calls came camera camp campus can candidate cannot capacity capital capture car carbon
card cards care carrying cars case cases cash cast castle catch categories category cause caused cb cc cd
cell cells cent center central century cert certain cf chain chair change changed changes changing channel
channels chapter char character charge chars chart chat check checks chemical chief child children choice
choices choose chosen christ chunk chunks church cigarette circle circuit citizens city civil claim class
classes classic clean clear client clients climate clone close closure club cluster cmd coast code codes cold
collection collections college color column com come comes command commands comments commercial commit
committee communication communications community company comparison compatible compile compiler complete
complex components compression computer conditions confidence config configuration configure confirm
confirmed conflict connect connection consciousness consider console const constant constants construction
contact container containing contains content contents context continue contract control conversion convert
cook cool copy copyright correct cost could count countries country course court cover coverage cp create
created creating credentials credit crime critical cross ctx cultural culture cup curr currency current
currently custom customer cut cv cycle dad daily dark data database date dates datetime daughter day days dd
dead deal death debug decimal decision decode deep def default defaults defense define defining definition
definitions degree degrees del delete delivery demand department dependencies dependency dependent describe
description descriptor design designed dest destroy detail details determined dev develop developed
development device dict dictionary did die died diff difference different difficult digest digit digital
digits dir direct direction director directory discipline discrimination disease display dist distance
distributed distribution district div division dl do doc docs doctor document documented documents does dog
dogs doing dollar domain don done door doors double down download draft draw drawn dream drew drive driven
driver driving drop drops drug dry dt due during duty dynamic each early earth east eastern easy eat echo
economic economics edge edit editor education educational effect effective effectiveness effects efficiency
efficient egg eight either election electric electronic elem element elements elif else em email embedding
emit emotional employed employment empty en enable enabled encode encoding end ended ends energy engine
engineering english enough ensure enter entries entry enum env environment environmental episode equal
equivalent err error errors escape especially essential establish established etc ethnic eval evaluate
evaluation even event events ever every everything evidence evil evolution exact example examples exc except
exchange exclude exec execute exercise exist existence exit experience experimental exposure expr expression
ext extension extra eye face facebook faces fact factor factors fail failed failure fair faith fake fall
falls false families family far farm fashion fast fat father fault fc fd feature features fee feed feedback
feel feet felt female fetch few field fields fifth fight fighting figure file filename filenames files fill
film films filter final financial find fine finish finished fire fired firm first fish fit five fix fixed
flag flags flash flat flight float floating floor flow flush fn focus folder follow following font foo food
foot force foreign forest forget form format formats formatted former forms formula forward found four fourth
frame framework free freedom frequency fresh friend friendly friends from front frozen fruit fs fuel full
fully fun func function functions fund future gain game games gap gas gender general generally generate
generated generation generator generic geometry get getattr gets getting girl git give given giving glass
global go goal god going gold gone good google got gotten government grade graduate grand grant graph great
greater green ground grounds group groups grow grown growth gt guard guess guide gun had hair half hall hand
handle handler hands happy hard hardware has hash have having head header headers heads health healthy heart
heat heavy height held hell hello help helper helpful helps her here hey hidden high higher highest hill him
hint his historic historical history hit hold holder holding hole home hook horse hospital host hostname hot
hour hours house houses how however hr href html http https human hundred hurt id idea identified identifier
ignore iii image img impact impl import important improvement include includes including income indent
independent index individual industrial industry info information init initialize inner input inside install
instance instead int integer interest interesting interface international internet interpreted into
introduction invalid iron is isinstance iso issue issues it item items iter iterator its jack java job jobs
join joined joint journal json judgment jump just justice keep keeping kernel key keys keyword keywords kick
kid kids kill killing kind king know knowledge known kwargs label lake lambda land lang language large
largest last late later latest launch law laws lay layer layout lead leader leading league learn learning
least leave leaves led left leg legal legend len length less let letter letters level levels li lib library
license licenses lie lies life light lights like liked likelihood likely likes limit limited limits line
lines link links liquid list listen listener lists little live lived living load loader loan local locale
located location lock log logger login long look looking lookup loop lord los loss lost lot love low lower
lying machine made magic mail main maintenance major make making male man manage management manager manifest
manual many map mapping margin marine mark market markets marks marriage married mass master match matches
matching material materials matter max maximum may maybe md mean meaning means measure measures meat media
medical medicine medium member members memory men mentioned menu merge message messages met meta metadata
metal method methods middle might mile military milk million mind mine minimum minor minute minutes misc miss
mission mixed mobile mod mode model models modern modified module modules mom moment money monitor month
months moon more most mother mouth move movement moves movie moving mr msg much multi multiple museum music
must my name named names namespace national natural nature nav near nearest necessary neck need needed needs
neg negative neighbors net network networks never new news next nick night nine no node nodes noise non none
normal normalize north nose not note notes nothing now nuclear null num number numbers numeric obj object
objects occupied occur ocean of off offer office official offset often oil ok old older once one ones online
only onto open operation operations operator optimize optional orange order ordering ordinary org organic
organization organized origin original os other ought our out outfile output outputs outside over override
own owned owner oxygen package packages page pages paid pain pair pairs panel paper paragraph parallel param
parameter parameters params parent parents park parse parser part particularly parts party pass password past
patch patches path paths patient patients pattern patterns pay payload payment pdb peace peak people per
percent percentage perf perfect perform performance perhaps period permanent permission permissions person
personal persons phase phone photo photos physical physics pick picture piece pieces pip pipeline pitch pkg
place places plain plan plane planet planned plant plants plastic plate platform play played player players
playing plays pleasant please plugin plus pm pod point pointer points policies policy political pool poor pop
popular population port pos position positions positive possible post posts potential poverty power practice
pre precision prefix present president press pressure pretty prevent price primarily primary prime print
prints prior private problem problems process product production products professional profile profit program
programs progress proj project projects proof properties property protein protocol provided provider proxy
pub public publication publications publish published pull pure purple purpose push put python quarter query
question questions queue quick quiet quite quote race radio rain raise raised raises random range rate rates
rather raw reach read readable reads ready real reason received recent recognized record records red reduce
ref reference references reflect regex region regional register registry regression regular rel relationship
relationships release releases relevant religious remember remote remove replace report reports repository
repr represent representation represented req request requests require requirements res research reset
resistance resolution resolve resource resources respect respond response responsible rest result results ret
return returns rev reverse review revision reward rich ride right rights ring rise risk river road roads rock
role room rooms root rose rough round route routine rule rules run runner running runs runtime rush safe
safety said sale salt sam same sample san satellite save saved say scalar scale scene schedule schema scheme
school science scientific scientist scientists scope screen script scripts sea search season seat second
secondary seconds secret sect sector secure security see seeing seek seeking seen select selected selection
selector self sell send sense sent sentence sep sequence sequences series server servers service services
session set setattr sets setting settings setup seven several sex sexual sha shape share sharp she sheet
shell shield shift ship ships shirt shoot shop short shot shots should show shown shut side sight sign signal
signals signature signed significant similar simple since sing single sit site sites six size sized sizes
skill skills skin skip sky sleep slice slot slots slow small smart smooth snake snapshot snow so social
socket soft software soil solar sold solid solution some someone something sometimes son song soon sort sound
source sources south space span speaking spec special species specific specifically specified speech speed
spirit split spoken spot spread square src stack staff stage stand standard standing star stars start started
starting starts state statement states static station statistics status stay std stderr stdout step steps
stick still stock stone stood stop storage store stories storm story str strategy stream street strength
stress strict strings strip stroke strong struct structure structures student students studied studies study
stuff style styles sub subject subprocess success successful successfully such sufficient suffix sugar
suggest suite summary summer sun super support supported surface surgery survey sweet switch symbol symbols
sync sys system systems tab table tag tags take taken taking talk tank target targets task tax teacher
teachers teaching team tech technical technology tell temperature template templates ten term terms terrorism
test tests text than thank that the their them theme then theory therapy there these they thing things think
thinking third this those though thought thread threads threat three threshold through thus tight till time
timeout times timestamp timezone tiny tips title titles to today together token tokenizer tokens tom too tool
tools top topic topics total touch town tr trace track tracks trade traditional traffic train training
transfer transform transformed transport travel treat treatment tree trees trial trigger trip true trust
truth try tuple turn tv twitter two txt type types ul under understand understanding unicode union unique
unit units unittest university unknown unless until update updated updates upon upper urban uri url usage use
used user username users uses using usual usually utf util utils val valid value values var variable
variables variant vehicle verbose verify version very via video view views violence violent virtual virus
visible vision visit visual vm voice void volume vote votes wait wake walk walking walks wall walls want war
warm warn warning warnings was waste watch watching water wave way ways we weak wealth wear weather web
website week weekly weight well went were west western wet what wheel when where whether which while white
who whole whose why wide width wife wiki wikipedia wild will win wind window windows wine wing wings winner
winning winter wire wise with within without wolf woman women won wood woods word words work worked worker
workers working works workspace world worth would wrap wrapper write writer writes writing written wrong www
xml yaml yard yards year years yellow yes yet yield you young your zero zip zone
""".split()
)
#: … and those that are one only behind a blank.
COMMON_ALONE: Final = frozenset(
    b"""
abandoned abort abroad absence absolutely abuse academy accident accidents accurate achieve achievement
achievements acknowledge acknowledged acknowledgement acknowledgment acquisition acronym across addition
addresses administration administrative admit adults advance advantage adventure advertising advice affair
affairs affect afford affordable afraid afternoon afterwards agencies agenda agreement agricultural
agriculture airport album alcohol algorithms alongside amazing ambassador america amongst amounts analyse
analyzer ancient angry anniversary announced announcement annoying anxiety anybody anymore anyone anything
anytime anyway anywhere apartment apologize apparent apparently appeal appear appearance appeared appears
applicable applications applies appointment appointments appreciate approach approaches approval arbitrary
architecture architectures argue arithmetic army arrangement arrangements arrest arrested arrival arrived
artistic artists aside asked asking asleep assault assignments assistance assistant associate association
assume asynchronous athletes athletic atmosphere attached attempts attend attendance attended attitude
attorney attribution audience augmented authentication authorities authority authorization automatic
automatically autumn avail avenue award awarded awards awesome awful awkward babies badly bankruptcy baseball
basketball bathroom battery battle battlefield beach beautiful beauty became become becomes bedroom beer
began beginning begins behalf behaviour behind beliefs believe believed believes benefits besides beyond
bible bigger biggest bike bills binds birthday bitcoin blame bloody blues bodies bonus bottle boundaries bowl
breakdown breakfast breath brilliant bring brings broadcast broke brought buddy buildings builds bunch bureau
businesses busy buying cabinet cake callable calm campaign campaigns candidates canonical capabilities
captain career careful carried carry caught causes celebrate celebration celebrities centre centuries
ceremony certainly certificate certificates chairman challenge challenges chamber champion champions
championship chance chaos characteristics characters charges chase cheap checkout cheese chemistry cherry
chest chicken childhood china chocolate chose chromium cipher circumstances cities citizen citizenship
civilian civilians claims classroom clause clauses cleanup clearly closer clubs coach coffee collaborators
colleagues colonel comfortable comma commission commissioner communities companies comparisons compatibility
comprehension conclusion conference confident congress consequences conservative consistent constitution
constitutional constructor contain contemporary continued continues contribute contributor contributors
conversation copies copyrighted corresponding costs council county couple crash crazy cream credential creek
crew cricket criminal crisis criticism critics crowd crown crypto cryptography curl curriculum custody
customers customize cute damage damages dance danger dangerous darkness daughters dealings deals dear deaths
debate debt debugging debut decade decide decided decisions defeat defence defend defines definitely deliver
demands democracy democrat democratic departments departure depends depression deputy derivative described
describes desert deserve designer designs desire desk despite destroyed detailed determine developer
developing developments diagnosis diagnostic diagnostics dialogue diamond dictionaries didn diet differences
difficulties difficulty dinner diplomatic directives directly directories directors dirty disappointed
disclaimer disconnect discover discuss discussion distribute distributions divorce doctors documentary
documentation doesn dollars domestic dont doubt downloaded downloads downtown dozen dragon drama dramatic
drawing drawings dreams dress drink drinking drinks drivers dropped drove drugs drunk duke dumb dying
dynamics earlier earliest earnings earthquake easier easily economy editable effectively effort efforts eggs
eighth elections electrical electricity electronics elementary eligible elsewhere emails emergency emitted
emphasis empire employee employees employer employers encourage encrypt endorse enemies enemy enforcement
engage engagement engineer engineers enjoy enjoyed enjoying enterprise entertainment enthusiasm entire
entirely entitled environments episodes equipment establishment estate estimated estimates europe evaluated
evaluates evening eventually everybody everyday everyone everywhere excellent excuse executable executive
expansion experiences explain explains explicit explicitly extraordinary eyes facilities facility faculty
fails faithful familiar fans fantastic fantasy faster favor favorite favour favourite fear featuring federal
feeling feelings feels fees fell fellow festival fighter figures filed filesystem finance findings finds
fingerprint fitness fixes flavor fleet flexible flights flood folks follows footage football forgot forgotten
formatting fortune fought foundation franchise frank fraud french frequent frequently friendship
functionality functools fundamental funds funny furnished furniture further furthermore galaxy gallery
garbage garden gardens gave gay genetic genius gentleman gentlemen genuine german ghost giant gift girlfriend
girls gives glad goals goes golden golf gonna goodbye goodness goods governments governor grandfather
graphics grateful greatest grew guarantee guaranteed guardian guards guest guests guidance guidelines guilty
guitar gulf guns guy guys gym handling happen happened happening happens happiness harder hasattr hate
headquarters healthcare heap hear heard hearts heaven heights helped helping hereby herein heritage herself
hierarchy highlight highlights highly highway himself hired hockey holds holiday holidays holy homeless homes
honest honestly honor hooks hope hoped hopefully horrible horror hospitals hotel household households huge
humans hundreds hungry husband ideas identifiers identify illegal illness imagine immediate immediately
immigrants immigration immutable implementation implementations implemented implementing importance
impossible impression improve improvements incident included incompatible incomplete increase increased
incredible independence india individuals industries influence influential infrastructure inhabitants inherit
inheritance initialization injuries injury inline innocent innovation inspector inspiration installation
institute institution institutions instruments insurance intellectual intelligence intelligent interests
interior interpreter interview interviews introduce introduced investigate investigation investigations
investment investments investors invoked involve involved involvement involving island islands italic
itertools itself jail jewelry john joke jokes journalism journalist journalists journey judge judges junior
jurisdiction keeps kept keyboard killed killer kinds kingdom kings kitchen knee knew knife knight knights
knock knowing knows labor laboratory labour lack ladies lady laid landscape languages larger latter laugh
laughing laughter launched lawyer lawyers leaders leadership leads leak learned leaving legacy legendary
legislation legislative legislature legitimate legs lesbian lesson lessons liberty libraries lieutenant
lifestyle lifetime lightning likewise limitation limitations listening literal literature lives loans locals
logic logo longer looked looks loose lose lots loud loved loves lowest luck lucky luke lunch luxury lyrics
machines macro macros magazine mainstream maintain maintained maintaining majority makes makeup managers
manner manuals manufacturer manufacturers manufacturing march marijuana marketing mathematics matt matters
mayor meaningful meant meanwhile measurements mechanical mechanics mechanism mechanisms meet meeting meetings
membership memories metropolitan midnight miles milliseconds minister ministry mirror mistake mistakes
modification modifications modify moments mood mortgage mountain mountains moved movements movies mrs murder
muscle myself mystery naked narrative narrow nations nationwide navigation navy nearby nearly necessarily
negotiations neighbor neighborhood neighborhoods neighbourhood neither nevertheless newer newly newspaper
newspapers nice nightmare nights nobody nonsense noqa northern northwest notation noted notice novel nowadays
nurse obtain obtained obtaining obvious obviously occasion occasionally occurred occurs offense officer
officers officially officials okay omitted operators opinion opponents opportunities opportunity opposite
opposition optimization organisation organisations organizations originally otherwise ourselves outcome
outdoor outstanding overview ownership packaging painful paint paintings parentheses parliament parliamentary
participant participants participate participating participation particular parties partner partners
partnership passenger passion patent payments peaceful penalty perfectly permit permitted personnel
pertaining philosophy photograph photographer photographs photography physician physicians pictures pilot
pink pizza planning plans platforms pleasure plenty pocket poetry police politician politicians politics
positional possession possibilities possibility pounds powerful pregnant presence presentation presidential
priest prince princess principal principle principles prison privacy privilege prize procedure proceedings
produce professionals professor programme promise promote protect prototype proud prove provide provides
province provision pseudo psychological psychology publicity publishing punctuation punishment purchase
purchased purposes pursue putting queen racism racist railroad railway rapid ratings realize reasonable
reasons receiving recipient recipients recognize recommend recommendations recovery redistribute
redistribution refer refuse regard regarding regardless regulations regulatory reject released relief
religion remain remaining remains repl replacement repositories representations representative
representatives represents reproduce republic republican requirement rescue researchers reserve residence
resident residential residents responsibilities responsibility restaurant restaurants resulting retail retain
retirement revenue reviews revolution revolutionary rhythm ridiculous risks romantic roof royal royalty rugby
rural sacrifice sad saint sake sales satisfied satisfy savings saw saying says scheduled scholarship schools
sciences searching seasons seats secretary securities seem seemed seems sees selfish semantics semi senate
senator sends senior separate separated separator serious seriously serve settle settled settlement
setuptools severe shadow shake shakespeare shall shame shelter shipping shock shoes shooting shopping
shoulder shower showing shows shutdown sick sides significance significantly signs silence silent silver
simultaneously singer sir sister sitting situation situations sixth sleeping slicing slight slightly smaller
smartphone smell smile smoke smoking soccer socialist societies society soldier soldiers solutions somebody
somehow sometime somewhat somewhere songs sorry sought soul sounds southern spam spawn speak speaker speaks
specialist specification specifies specify specifying spend spent spiritual spoke sport sports squad squash
stability stadium standards stands statements steady steam steel stolen stomach straight strange strategic
strategies streams streets stretch strike stronger struggle struggling stuck studio studying stupid subclass
subsequent substantial succeed succeeds sudden suddenly suffer suffered suffering suggested suggestions
suggests suicide suit suitability superior supplied supplies supporters supporting supports suppose supposed
suppress supreme sure surprise surprised surrounded surrounding surveillance survival survivors suspect
suspension sustainable swear swimming swing sword symbolic symptoms syndrome syntax takes talent talked
talking talks taste taught taxes tea teach teams tears technique techniques technological technologies teeth
telephone television tells temperatures temple temporary tend tennis terminate terrible territory terrorist
terrorists testimony thanks theatre themselves therefore thereof thinks thirty thoughts thousand thousands
threatened threats threw throat throughout throw thrown ticket tickets tied tired toggle toilet told tomorrow
tongue tonight took tough tour tourism tournament toward towards traceback trademark trademarks trail
trailing transferred transformation transitional transmission transportation trend tried tries troops trouble
truck truly trump trying tunnel tuples turkey turned turning turns twelve twenty twice ultimate ultimately
uncomfortable undefined underground underline underlying underscore understood unemployment unfortunately
universal universe universities unlike unnecessary unusual upgrade upset upstream urllib useful utilities
valley valuable variety various vehicles vendor victim victims victory videos village virgin visitors
volunteer volunteers voted vulnerabilities vulnerability vulnerable waiting waits walked wanted wants
warehouse warranty warriors wars watched weakness wealthy weapon weapons wearing wedding weekend weekends
weeks weird welcome welfare whatever whenever whereas whoever whom widespread wildlife william wins wireless
wisdom wish withdraw withdrawal withdrawn witness witnesses wonder wonderful wondering wooden workflows
workshop worldwide worried worry worse worship worst wrote yeah yesterday yields younger yours yourself youth
""".split()
)
